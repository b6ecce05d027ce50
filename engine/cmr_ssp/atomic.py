"""Atomic writes: a file appears complete or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from cmr_ssp.errors import OutputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; flush it to disk and rename it if the block succeeds.

    Raises
    ------
    OutputError
        If the folder cannot be created or written to.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        mode = stat.S_IMODE(temporary.stat().st_mode)  # as the umask sets it; safetensors writes 0600
        yield temporary
        temporary.chmod(mode)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError.of(path, f"it cannot be written ({reason})", "Choose another folder.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8; see `replacing`."""
    write_bytes(path, text.encode())


def keep_copy(path: Path) -> Path:
    """Copy a file to the first free name of ``NAME.bak``, ``NAME.bak2``, ... and return the path of the copy.

    Raises
    ------
    OutputError
        If the copy cannot be written.
    """
    names = (path.with_name(f"{path.name}.bak{number if number > 1 else ''}") for number in count(1))
    copy = next(name for name in names if not name.exists())
    with replacing(copy) as temporary:
        shutil.copy2(path, temporary)
    return copy
