"""The cache folder, its size limit, and named errors for failed writes."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from cmr_ssp.errors import CacheError

_DEFAULT_GIB = 50.0
_REMEDY = "Set CMR_SSP_CACHE to a writable folder."
_FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR}


def cache_folder() -> Path:
    """Return the cache folder: ``CMR_SSP_CACHE`` or the user's default; it may not exist yet."""
    return Path(os.environ.get("CMR_SSP_CACHE") or platformdirs.user_cache_path("cmr-ssp"))


def cache_limit_bytes() -> int:
    """Return the size limit of all slice banks together: ``CMR_SSP_CACHE_GIB``, by default 50 GiB.

    Raises
    ------
    CacheError
        If the setting is not a positive number.
    """
    text = os.environ.get("CMR_SSP_CACHE_GIB") or str(_DEFAULT_GIB)
    try:
        gib = float(text)
    except ValueError:
        gib = math.nan
    if not 0 < gib < math.inf:
        remedy = "Set it to a positive number of GiB, or unset it."
        raise CacheError.of("CMR_SSP_CACHE_GIB", f"{text!r} is not a valid size", remedy)
    return int(gib * 2**30)


@contextmanager
def naming_faults(path: Path) -> Iterator[None]:
    """Convert an `OSError` raised in the block into a `CacheError` about `path`.

    Raises
    ------
    CacheError
        If the disk is full, a file is in the way, or the folder is not writable.
    """
    try:
        yield
    except OSError as error:
        raise _named(path, error) from error


def _named(path: Path, error: OSError) -> CacheError:
    if error.errno in _FULL:
        remedy = "Free space, remove banks with `cmr-ssp cache clear`, or set CMR_SSP_CACHE to another disk."
        return CacheError.of(path, f"the disk is full ({error.strerror})", remedy)
    if error.errno in _IN_THE_WAY:
        remedy = "Move that file away, or set CMR_SSP_CACHE to another folder."
        return CacheError.of(path, f"a file is in the way ({error.strerror})", remedy)
    return CacheError.of(path, f"it cannot be written ({error.strerror or error})", _REMEDY)
