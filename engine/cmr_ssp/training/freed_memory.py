"""Keep the memory that a training step frees for the next step."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_MOST = 2**31 - 1  # bytes; mallopt takes an int
_USUAL = 32 << 20  # bytes; the upper limit of glibc's own adjustment


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Let the C library reuse freed memory during the block, and return it to the system at the end.

    By default glibc returns large freed blocks immediately, and the system clears every page of the next
    feature map before it is written, which takes an eighth of a small network's training time. Has no effect
    without glibc. PyTorch caches GPU memory itself.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, _MOST)
    libc.mallopt(_TRIM_THRESHOLD, _MOST)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _USUAL)
        libc.mallopt(_TRIM_THRESHOLD, 2 * _USUAL)
        libc.malloc_trim(0)
