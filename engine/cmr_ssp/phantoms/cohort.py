"""Write a folder of phantom subjects in the plain layout."""

from __future__ import annotations

import csv
import gzip
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import CohortError, OutputError
from cmr_ssp.phantoms.cine import PhantomCine, make_phantom
from cmr_ssp.phantoms.style import GROUPS, STYLES

_FRAME_S = 0.8
"""Duration of the cardiac cycle in seconds, from which the frame spacing follows."""
_SEEDS = 100_000
"""Seeds reserved for each cohort, so that cohorts with different seeds share no subject."""
_ID = "phantom-"
_FIELDS = ("id", "vendor", "group", "ed_frame", "es_frame")


def is_phantom(subject_id: str) -> bool:
    """Return whether an id is one that `write_phantom_cohort` gives."""
    return subject_id.startswith(_ID)


def write_phantom_cohort(
    folder: Path,
    n_subjects: int,
    seed: int = 0,
    n_labelled: int | None = None,
    *,
    n_frames: int = 12,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a cohort of phantom subjects; the same arguments give identical files.

    It holds ``<id>.nii.gz`` (the cine, int16), ``<id>_ED_gt.nii.gz`` and ``<id>_ES_gt.nii.gz`` (LV 1, MYO 2,
    RV 3), and ``subjects.csv`` with 0-based frames. It appears complete or not at all. Vendors and
    groups alternate.

    Parameters
    ----------
    folder : Path
        New or empty folder.
    n_subjects : int
        Number of subjects, at least 1.
    seed : int
        Random seed.
    n_labelled : int, optional
        Number of subjects, counted from the first, with label files; by default all.
    n_frames : int
        Frames per cine.
    workers : int
        Number of threads.
    progress : callable, optional
        Called with the number of written subjects and the total.

    Raises
    ------
    CohortError
        If `n_subjects` or `n_labelled` is out of range.
    OutputError
        If `folder` is not empty or cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cmr_ssp.phantoms import write_phantom_cohort
    >>> write_phantom_cohort(Path("phantoms"), 2, n_frames=4)
    >>> len(cmr_ssp.open_cohort("phantoms"))
    2
    """
    n_labelled = n_subjects if n_labelled is None else n_labelled
    if not (0 < n_subjects < _SEEDS and 0 <= n_labelled <= n_subjects):
        what = f"a cohort cannot have {n_subjects} subjects, {n_labelled} of them labelled"
        raise CohortError.of(folder, what, "Use at least one subject, and at most as many labelled ones.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError.of(
            folder, "exists and is not an empty folder", "Choose a new folder, or empty this one."
        )

    def write(number: int) -> dict[str, str | int]:
        cine = _subject(seed, number, n_frames)
        name = f"{_ID}{number + 1:03d}"
        _write_subject(partial, name, cine, labelled=number < n_labelled)
        frames = {"ed_frame": cine.end_diastole, "es_frame": cine.end_systole}
        return {"id": name, "vendor": cine.vendor, "group": cine.group, **frames}

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            with ThreadPoolExecutor(max(1, workers)) as pool:
                rows = list(_counted(pool.map(write, range(n_subjects)), n_subjects, progress))
            _write_table(partial / "subjects.csv", rows)
            if folder.exists():
                folder.rmdir()
            partial.chmod(0o755)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        remedy = "Choose a folder on a writable disk with enough space."
        raise OutputError.of(folder, f"cannot be written ({error})", remedy) from error


def _subject(seed: int, number: int, n_frames: int) -> PhantomCine:
    """Create one subject of a cohort; vendors and groups alternate."""
    vendors, groups = sorted(STYLES), list(GROUPS)
    vendor, group = vendors[number % len(vendors)], groups[number % len(groups)]
    return make_phantom(seed * _SEEDS + number, vendor=vendor, n_frames=n_frames, group=group)


def _counted(
    rows: Iterator[dict[str, str | int]], total: int, progress: Callable[[int, int], None] | None
) -> Iterator[dict[str, str | int]]:
    """Yield rows and report progress."""
    for done, row in enumerate(rows, start=1):
        if progress is not None:
            progress(done, total)
        yield row


def _write_subject(folder: Path, name: str, cine: PhantomCine, *, labelled: bool) -> None:
    """Write the cine and, if requested, the labels of ED and ES."""
    pixels = np.clip(np.rint(cine.pixels), 0, np.iinfo(np.int16).max).astype(np.int16)
    _write_nifti(folder / f"{name}.nii.gz", pixels.transpose(3, 2, 1, 0), cine)
    if labelled:
        for phase, frame in (("ED", cine.end_diastole), ("ES", cine.end_systole)):
            _write_nifti(folder / f"{name}_{phase}_gt.nii.gz", cine.labels[frame].transpose(2, 1, 0), cine)


def _write_nifti(path: Path, voxels: NDArray[np.int16] | NDArray[np.uint8], cine: PhantomCine) -> None:
    """Write voxels in file order (column, row, slice[, frame]), compressed without a timestamp."""
    image = nib.Nifti1Image(voxels, cine.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms(cine.spacing_mm[::-1] + (_FRAME_S / len(cine.pixels),) * (voxels.ndim - 3))
    image.set_sform(cine.affine, code=1)
    image.set_qform(cine.affine, code=1)
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def _write_table(path: Path, rows: list[dict[str, str | int]]) -> None:
    """Write ``subjects.csv``."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, _FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
