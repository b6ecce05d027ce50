"""Standard input and output as they may be: closed, full, broken off, or of another encoding."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
