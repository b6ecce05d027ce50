"""Runs that are killed, in processes forked from one that has imported torch and that so start at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from cmr_ssp.runs import Run

_PATIENCE_S = 60.0


def command_line(arguments: Sequence[str], threads: int) -> None:
    """Run `cmr-ssp` in silence, in a process that begins with a number of threads."""
    import torch
    from cmr_ssp.cli import main

    torch.set_num_threads(threads)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        main(list(arguments))


def started(arguments: Sequence[str], threads: int = 1) -> multiprocessing.process.BaseProcess:
    """Start `cmr-ssp` in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cmr_ssp.cli.training", "cmr_ssp.jobs"])
    process = context.Process(target=command_line, args=(arguments, threads))
    process.start()
    return process


def rows(run: Run) -> int:
    """Return how many rows the history has; it may be read while it is written."""
    return run.history.read_text().count("\n") - 1 if run.history.exists() else 0


def killed_after(run: Run, n_rows: int, arguments: Sequence[str], threads: int, delay_s: float) -> bool:
    """Start a command, kill it some time after the history has so many rows, and tell whether that hit it."""
    process = started(arguments, threads)
    patience = time.monotonic() + _PATIENCE_S
    while rows(run) < n_rows and process.is_alive() and time.monotonic() < patience:
        time.sleep(0.002)
    process.join(delay_s)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def finished(arguments: Sequence[str], threads: int = 1) -> None:
    """Run a command to its end."""
    process = started(arguments, threads)
    process.join(_PATIENCE_S)
    assert process.exitcode == 0, arguments


def interrupt(
    run: Run, first: Sequence[str], again: Sequence[str], kills: int, seed: int, n_rows: int
) -> int:
    """Kill a run at random moments, each time resuming it; return how many kills hit it at work."""
    drawn = random.Random(seed)
    hits = 0
    for part in range(kills):  # one in each part of the training but the last
        place = drawn.randrange(part * n_rows // (kills + 1), (part + 1) * n_rows // (kills + 1))
        resumable = run.last.exists()
        # Resumed with other numbers of threads, as on a machine that has become free.
        threads = 2 if resumable else 1
        hits += killed_after(run, place, again if resumable else first, threads, drawn.uniform(0, 0.03))
    return hits
