"""Shared by the DICOM exports: the optional package highdicom, manufacturer and version."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from cmr_ssp import __version__
from cmr_ssp.errors import OutputError

MANUFACTURER = "the napari-cmr-ssp developers"
MODEL = "napari-cmr-ssp"
INSTALL = 'pip install "napari-cmr-ssp[dicom-seg]"'


def load_highdicom(where: object) -> Any:
    """Import highdicom, which is optional and takes a second to import.

    Raises
    ------
    OutputError
        If it is not installed.
    """
    try:
        import highdicom
    except ImportError as error:
        what = "writing DICOM needs the package highdicom, which is not installed"
        raise OutputError.of(where, what, f"Install it with: {INSTALL}") from error
    return highdicom


def has_highdicom() -> bool:
    """Return whether highdicom is installed, without importing it."""
    return find_spec("highdicom") is not None


def software_version() -> str:
    """Return the software version that is written into files."""
    return __version__
