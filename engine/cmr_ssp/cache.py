"""Where files are kept that can be made again, how much of them, and what is said where that fails."""

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
_REMEDY = "Set CMR_SSP_CACHE to a folder that can be written to."
_FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR}


def cache_folder() -> Path:
    """Return ``CMR_SSP_CACHE`` or the user's cache folder, which need not exist yet."""
    return Path(os.environ.get("CMR_SSP_CACHE") or platformdirs.user_cache_path("cmr-ssp"))


def cache_limit_bytes() -> int:
    """Return how much slice banks may take together: ``CMR_SSP_CACHE_GIB``, 50 GiB unless set.

    Raises
    ------
    CacheError
        Where the setting is no number above 0.
    """
    text = os.environ.get("CMR_SSP_CACHE_GIB") or str(_DEFAULT_GIB)
    try:
        gib = float(text)
    except ValueError:
        gib = math.nan
    if not 0 < gib < math.inf:
        remedy = "Set it to a number of GiB above 0, or unset it."
        raise CacheError.of("CMR_SSP_CACHE_GIB", f"{text!r} is no size", remedy)
    return int(gib * 2**30)


@contextmanager
def naming_faults(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into a named error.

    Raises
    ------
    CacheError
        Where the disk is full, a file is in the way, or the folder cannot be written to.
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
