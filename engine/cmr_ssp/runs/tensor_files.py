"""Opening safetensors files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open

from cmr_ssp.errors import is_text


@contextmanager
def open_tensors(path: Path, framework: str) -> Iterator[Any]:
    """Open a safetensors file; as `safe_open`, but at paths that are not UTF-8 too.

    Parameters
    ----------
    path : Path
        The file.
    framework : str
        ``pt`` or ``np``.

    Raises
    ------
    OSError
        Where it cannot be opened.
    SafetensorError
        Where it is no such file.
    """
    if is_text(str(path)):
        with safe_open(path, framework=framework) as tensors:
            yield tensors
    else:  # only Linux has such paths, and another name for whatever is open
        with path.open("rb") as file, safe_open(f"/proc/self/fd/{file.fileno()}", framework) as tensors:
            yield tensors
