"""Where files are kept that can be made again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return ``CMR_SSP_CACHE`` or the user's cache folder, which need not exist yet."""
    return Path(os.environ.get("CMR_SSP_CACHE") or platformdirs.user_cache_path("cmr-ssp"))
