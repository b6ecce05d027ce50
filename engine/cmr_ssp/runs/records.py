"""Records: reconstructions of the same slices during pretraining, saved in the run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from cmr_ssp.atomic import replacing
from cmr_ssp.errors import RunError
from cmr_ssp.runs.run import Run
from cmr_ssp.runs.tensor_files import open_tensors

_FIXED = "slices.safetensors"
_NAME = re.compile(r"update-(\d+)\.safetensors")


@dataclass(frozen=True, slots=True, eq=False)
class RecordedSlices:
    """The slices that every record reconstructs.

    Attributes
    ----------
    images : ndarray of float16, shape (slice, row, column)
        Standardised crops.
    masks : ndarray of bool, same shape
        True where a pixel is hidden.
    places : tuple of (str, int, int)
        Subject id, frame and slice of each.
    role : str
        ``validation``, or ``train`` if there is no validation subject.
    spacing_mm : float
        Distance between rows and columns of the crops.
    """

    images: NDArray[np.float16]
    masks: NDArray[np.bool_]
    places: tuple[tuple[str, int, int], ...]
    role: str
    spacing_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """The records of a run.

    Attributes
    ----------
    slices : RecordedSlices
        Original slices and masks.
    updates : tuple of int
        Number of updates before each record, ascending.
    rebuilt : ndarray of float16, shape (record, slice, row, column)
        Output of the network, meaningful only where hidden.
    """

    slices: RecordedSlices
    updates: tuple[int, ...]
    rebuilt: NDArray[np.float16]

    @property
    def mean_error(self) -> NDArray[np.float64]:
        """Mean squared error over hidden pixels, shape (record, slice)."""
        difference = self.rebuilt.astype(np.float64) - self.slices.images
        squares = np.where(self.slices.masks, difference**2, 0)
        return np.asarray(squares.sum(axis=(2, 3)) / self.slices.masks.sum(axis=(1, 2)))


def write_slices(run: Run, slices: RecordedSlices) -> None:
    """Write the slices of all records of a run, once per run.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    about = {"places": slices.places, "role": slices.role, "spacing_mm": slices.spacing_mm}
    arrays = {"images": slices.images, "masks": slices.masks}
    _write(run.records / _FIXED, arrays, {"cmr_ssp": json.dumps(about)})


def write_record(run: Run, update: int, rebuilt: NDArray[np.float16]) -> Path:
    """Write the reconstruction of the slices after an update, and return the file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = run.records / f"update-{update:07d}.safetensors"
    _write(path, {"rebuilt": rebuilt})
    return path


def delete_records(run: Run, after: int) -> None:
    """Delete records of updates that will be repeated."""
    for update, path in _listed(run).items():
        if update > after:
            path.unlink(missing_ok=True)


def has_records(run: Run) -> bool:
    """Return whether a run has records."""
    return (run.records / _FIXED).exists()


def read_records(run: Run) -> Records:
    """Read the records of a run.

    Raises
    ------
    RunError
        If it has none, or they are damaged.
    """
    if not has_records(run):
        remedy = "Choose a run of masked image modelling made with this version."
        raise RunError.of(run.folder, "has no reconstruction records", remedy)
    path = run.records / _FIXED
    remedy = "Copy the run again, or remove its folder 'records'."
    try:
        arrays, about = _read(path)
        places = tuple((str(name), int(frame), int(slice_)) for name, frame, slice_ in about["places"])
        slices = RecordedSlices(
            arrays["images"],
            arrays["masks"].astype(bool),
            places,
            str(about["role"]),
            float(about["spacing_mm"]),
        )
        rebuilt = np.empty((0, *slices.images.shape), np.float16)
        listed = _listed(run)
        for path in listed.values():
            rebuilt = np.concatenate((rebuilt, _read(path)[0]["rebuilt"][None]))
        return Records(slices, tuple(listed), rebuilt)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise RunError.of(path, f"is not a valid record ({error})", remedy) from None


def _listed(run: Run) -> dict[int, Path]:
    found = ((_NAME.fullmatch(path.name), path) for path in run.records.glob("update-*.safetensors"))
    return dict(sorted((int(match[1]), path) for match, path in found if match))


def _write(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: dict[str, str] | None = None) -> None:
    with replacing(path) as temporary:
        try:
            save_file(
                {name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary, metadata
            )
        except SafetensorError as error:  # raised by safetensors if the disk is full
            raise OSError(str(error)) from error


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    with open_tensors(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        return arrays, json.loads((file.metadata() or {}).get("cmr_ssp", "{}"))
