"""Handling of standard streams that are closed, full, broken or not UTF-8, and of Ctrl-C."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C: by convention 128 plus the signal number."""

_BROKEN_OFF = 141  # likewise for a closed pipe


@contextmanager
def ending_well() -> Iterator[None]:
    """Print in any encoding; exit with a message if standard output cannot be written."""
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not _is_of_stdout(error):
            raise
        _discard_output()
        if error.errno == errno.EPIPE:
            sys.exit(_BROKEN_OFF)
        with suppress(OSError):
            sys.stderr.write(f"error standard output: {error.strerror}\n")
        sys.exit(1)


@contextmanager
def noticing_interrupts() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C was pressed.

    Libraries that are interrupted during import raise other errors: torch continues without NumPy, which then
    cannot be imported again.
    """
    pressed = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _open_closed() -> None:
    """Replace closed standard streams by the null device."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - open until the process ends
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _is_of_stdout(error: OSError) -> bool:
    """Return whether an error comes from a standard stream; errors of other files have a file name."""
    return error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)


def _discard_output() -> None:
    """Discard buffered output, so that Python does not fail to flush it at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
