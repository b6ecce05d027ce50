"""Standard streams as they may be: closed, full, broken off, of another encoding; and Ctrl-C."""

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
"""The exit code after Ctrl-C, by convention 128 and the number of the signal."""

_BROKEN_OFF = 141  # likewise, of a pipe that nobody reads any more


@contextmanager
def ending_well() -> Iterator[None]:
    """Print whatever the encoding; end with a message where standard output can take no more."""
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
    """Yield what tells whether Ctrl-C was pressed.

    Libraries that are interrupted while they are imported make other errors of it: torch goes on without
    numpy, which then cannot be loaded a second time.
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
    """Give a process that was started with closed streams some that hold nothing."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _is_of_stdout(error: OSError) -> bool:
    """Tell whether writing to a stream failed; files that we name raise errors that carry their name."""
    return error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)


def _discard_output() -> None:
    """Send what is still to be written nowhere, so that Python does not stumble over it at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
