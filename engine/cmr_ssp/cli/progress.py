"""Show a job's events as progress bars and lines; Ctrl-C asks the job to stop and keep."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from cmr_ssp.errors import Problem
from cmr_ssp.events import (
    Cancel,
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
from cmr_ssp.team import process_number


class ProgressReport:
    """Receives events and draws them.

    Parameters
    ----------
    console : Console
        Where to.
    """

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self.progress = Progress(*columns, console=console)
        self._console = console
        self._bars: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        match event:
            case Preparing(what, done, total):
                self._advance(what, done, total, "")
            case RunStarted():
                self._console.print(
                    f"{event.updates} updates on {event.samples} slices, {event.device}, {event.precision} "
                    f"-> {event.folder}, about {event.memory_bytes / 2**30:.1f} GiB of memory "
                    f"and {timedelta(seconds=round(event.seconds))}",
                    highlight=False,
                )
                self._advance("training", 0, event.updates, "")
            case WeightsTransferred():
                self._console.print(f"pretrained weights: {event}", highlight=False)
            case UpdateFinished(update, updates, loss, seconds_left, speed):
                fast = "" if speed is None else f", {speed:.{0 if speed >= 10 else 1}f} slices/s"
                left = "" if seconds_left is None else f", {timedelta(seconds=round(seconds_left))} left"
                self._advance("training", update, updates, f"loss {loss:.4f}{fast}{left}")
            case EpochFinished(_, update, scores) if "validation_dice" in scores:
                self._console.print(f"update {update}: validation Dice {scores['validation_dice']:.3f}")
            case Noticed(problem):
                show_problem(self._console, problem)
            case JobEnded(Outcome.STOPPED):
                self._console.print("stopped" + "; continue with --resume" * ("training" in self._bars))

    def restart(self) -> None:
        """Forget the bars of the job before, so that the next one draws its own."""
        self._bars.clear()

    def _advance(self, what: str, done: int, total: int, note: str) -> None:
        if what not in self._bars:
            self._bars[what] = self.progress.add_task(what, total=total, note="")
        self.progress.update(self._bars[what], completed=done, total=total, note=note)


@contextmanager
def reporting(console: Console) -> Iterator[tuple[ProgressReport, Cancel]]:
    """Yield a listener and a cancel that the first Ctrl-C requests; the second interrupts at once."""
    cancel, report = Cancel(), ProgressReport(console)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        cancel.request()
        console.print("stopping after this step ...")
        signal.signal(signal.SIGINT, before)

    # A terminal's Ctrl-C reaches all processes of a team; the first one tells the others when to stop.
    before = signal.signal(signal.SIGINT, stop if process_number() == 0 else signal.SIG_IGN)
    try:
        with report.progress:
            yield report, cancel
    finally:
        signal.signal(signal.SIGINT, before)


def training_console() -> Console:
    """Return the console of a command that several processes may run at once: the first alone speaks."""
    return Console(highlight=False, quiet=process_number() > 0)


def exit_if_stopped(outcome: Outcome) -> None:
    """End with the code of an interrupted command, so that a script does not go on without the result."""
    if outcome is Outcome.STOPPED and process_number() == 0:
        sys.exit(130)


def show_problem(console: Console, problem: Problem) -> None:
    """Print a problem on one line."""
    colour = "red" if problem.severity == "error" else "yellow"
    console.print(f"[{colour}]{problem.severity}[/]", end=" ", highlight=False)
    console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
