"""Show the events of a job as progress bars or lines; Ctrl-C stops the job and keeps its state."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from types import FrameType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from cmr_ssp.cli.streams import INTERRUPTED
from cmr_ssp.cli.terminal import Terminal
from cmr_ssp.events import (
    Cancel,
    CheckpointWritten,
    EpochFinished,
    Event,
    JobEnded,
    Noticed,
    Outcome,
    Preparing,
    RunStarted,
    UpdateFinished,
    WeightsTransferred,
)
from cmr_ssp.process_group import process_rank

_LINE_EVERY_S = 10.0


class Meter(Protocol):
    """Protocol for displays of the progress of several tasks."""

    def advance(self, what: str, done: int, total: int, note: str) -> None:
        """Show that `done` of `total` items are finished, with a note."""

    def restart(self) -> None:
        """Start again for another job."""

    def shown(self) -> AbstractContextManager[object]:
        """Return the context manager during which it is visible."""


class Bars:
    """Progress bars on a terminal, one per task."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._progress = Progress(*columns, console=console)
        self._bars: dict[str, TaskID] = {}

    def advance(self, what: str, done: int, total: int, note: str) -> None:
        """Update the bar of a task; create it if needed."""
        if what not in self._bars:
            self._bars[what] = self._progress.add_task(what, total=total, note="")
        self._progress.update(self._bars[what], completed=done, total=total, note=note)

    def restart(self) -> None:
        """Keep the finished bars; the next job gets new ones."""
        self._bars.clear()

    def shown(self) -> AbstractContextManager[object]:
        """Return the context manager that updates the bars."""
        return self._progress


class Lines:
    """Progress as lines of text at the start, at the end and every few seconds, for pipes and log files."""

    def __init__(self, terminal: Terminal, every_s: float = _LINE_EVERY_S) -> None:
        self._terminal, self._every_s = terminal, every_s
        self._printed_s: dict[str, float] = {}

    def advance(self, what: str, done: int, total: int, note: str) -> None:
        """Print the progress, unless it was printed recently."""
        now = time.monotonic()
        if done < total and now - self._printed_s.get(what, -self._every_s) < self._every_s:
            return
        self._printed_s[what] = now
        self._terminal.note(f"{what} {done}/{total}" + (f", {note}" if note else ""))

    def restart(self) -> None:
        """Print the next line of every task immediately."""
        self._printed_s.clear()

    def shown(self) -> AbstractContextManager[object]:
        """Return a context manager that does nothing."""
        return nullcontext()


class ProgressReport:
    """Event handler that prints the events of a job.

    Parameters
    ----------
    terminal : Terminal
        Output.
    """

    def __init__(self, terminal: Terminal) -> None:
        moves = terminal.console.is_interactive and not terminal.console.quiet
        self.meter: Meter = Bars(terminal.console) if moves else Lines(terminal)
        self._terminal = terminal
        self._trains = False

    def restart(self) -> None:
        """Start again for another job."""
        self.meter.restart()

    def __call__(self, event: Event) -> None:
        """Print one event."""
        terminal = self._terminal
        match event:
            case Preparing(what, done, total):
                self.meter.advance(what, done, total, "")
            case RunStarted():
                terminal.note(_started(event))
                self._trains = True
                self.meter.advance("training", 0, event.updates, "")
            case WeightsTransferred():
                terminal.note(f"pretrained weights: {event}")
            case UpdateFinished(update, updates, loss, seconds_left, speed):
                fast = "" if speed is None else f", {speed:.{0 if speed >= 10 else 1}f} slices/s"
                left = "" if seconds_left is None else f", {timedelta(seconds=round(seconds_left))} left"
                self.meter.advance("training", update, updates, f"loss {loss:.4f}{fast}{left}")
            case EpochFinished(_, update, scores) if "validation_dice" in scores:
                terminal.note(f"update {update}: validation Dice {scores['validation_dice']:.3f}")
            case CheckpointWritten(path, update):
                terminal.detail(f"update {update} -> {path}")
            case Noticed(problem):
                terminal.problem(problem)
            case JobEnded(Outcome.STOPPED):
                terminal.note("stopped" + "; continue with --resume" * self._trains)


def _started(event: RunStarted) -> str:
    return (
        f"{event.updates} updates on {event.samples} slices, {event.device}, {event.precision} "
        f"-> {event.folder}, about {event.memory_bytes / 2**30:.1f} GiB of memory "
        f"and {timedelta(seconds=round(event.seconds))}"
    )


@contextmanager
def reporting(terminal: Terminal) -> Iterator[tuple[ProgressReport, Cancel]]:
    """Yield an event handler and a `Cancel`; the first Ctrl-C requests a stop, the second interrupts."""
    cancel, report = Cancel(), ProgressReport(terminal)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        cancel.request()
        terminal.note("stopping after this step ...")
        signal.signal(signal.SIGINT, before)

    # Ctrl-C reaches all processes of a group; rank 0 tells the others when to stop.
    before = signal.signal(signal.SIGINT, stop if process_rank() == 0 else signal.SIG_IGN)
    try:
        with report.meter.shown():
            yield report, cancel
    finally:
        signal.signal(signal.SIGINT, before)


def exit_if_stopped(outcome: Outcome) -> None:
    """Exit with the code of an interrupted command if the job was stopped, so that scripts stop as well."""
    if outcome is Outcome.STOPPED and process_rank() == 0:
        sys.exit(INTERRUPTED)
