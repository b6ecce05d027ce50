"""Open safetensors files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open

from cmr_ssp.errors import is_text


@contextmanager
def open_tensors(path: Path, framework: str) -> Iterator[Any]:
    """Open a safetensors file like `safe_open`, also if its path is not UTF-8.

    Parameters
    ----------
    path : Path
        The file.
    framework : str
        ``pt`` or ``np``.

    Raises
    ------
    OSError
        If it cannot be opened.
    SafetensorError
        If it is not a safetensors file.
    """
    if is_text(str(path)):
        with safe_open(path, framework=framework) as tensors:
            yield tensors
    else:  # only Linux has such paths, and it offers another path to open files
        with path.open("rb") as file, safe_open(f"/proc/self/fd/{file.fileno()}", framework) as tensors:
            yield tensors
