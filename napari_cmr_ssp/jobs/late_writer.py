"""Writes small files in a thread, after a pause."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_LOG = logging.getLogger(__name__)

PAUSE_S = 0.5
"""Time without changes before the newest state is written."""


class LateWriter:
    """Does the newest of a series of writes once the series pauses, so that many changes are one write.

    Parameters
    ----------
    pause_s : float
        Length of the pause in seconds.
    """

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self._changed = threading.Condition()
        self._write: Callable[[], object] | None = None
        self._due = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, write: Callable[[], object]) -> None:
        """Write after a pause; replaces a write that is still waiting.

        Failures are only logged: what is written like this is for convenience.
        """
        with self._changed:
            if self._closed:
                return
            self._write, self._due = write, time.monotonic() + self._pause_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="cmr-ssp writing", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Write what is waiting, without a pause, and wait for it for a limited time."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(seconds)

    def _loop(self) -> None:
        while (write := self._next()) is not None:
            try:
                write()
            except Exception as error:
                _LOG.warning("not stored: %s", error)

    def _next(self) -> Callable[[], object] | None:
        """Wait for the next write and its pause; None if the writer is closed and nothing waits."""
        with self._changed:
            while not self._closed and (self._write is None or time.monotonic() < self._due):
                rest = None if self._write is None else self._due - time.monotonic()
                self._changed.wait(rest)
            write, self._write = self._write, None
            return write
