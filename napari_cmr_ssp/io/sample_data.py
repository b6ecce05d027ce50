"""Sample data for napari: synthetic cines with labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from cmr_ssp import __version__
from cmr_ssp.anatomy import Phase
from cmr_ssp.cache import cache_folder
from cmr_ssp.errors import OutputError
from cmr_ssp.files import open_cohort, resolve_subject
from cmr_ssp.phantoms import make_phantom, write_phantom_cohort
from cmr_ssp.subjects import Grid, SliceOrder

from napari_cmr_ssp.io.label_files import phases_layer
from napari_cmr_ssp.io.reader import read
from napari_cmr_ssp.scene.layers import LayerData, image_layer, segmentation_layer, source_metadata

_SEED = 0
_FRAMES = 12
_VENDOR, _GROUP = "A", "NOR"
_SUBJECTS = 8
_FILES_EACH = 3
_WORKERS = 2


def phantom() -> list[LayerData]:
    """Create layers of a phantom cine and the labels of all frames."""
    cine = make_phantom(_SEED, _VENDOR, _FRAMES, _GROUP)
    grid = Grid(
        shape=cine.labels.shape[1:],
        spacing_mm=cine.spacing_mm,
        affine=cine.affine,
        slice_order=SliceOrder.BASE_FIRST,
    )
    frames = {str(Phase.ED): cine.end_diastole, str(Phase.ES): cine.end_systole}
    about = source_metadata(grid, []) | {"phases": frames, "vendor": cine.vendor, "group": cine.group}
    return [
        image_layer(cine.pixels, grid, "phantom cine", **about),
        segmentation_layer(cine.labels, grid, "phantom labels", **about),
    ]


def phantom_cohort() -> list[LayerData]:
    """Create layers of the first subject of the phantom cohort: its cine, and its labels at ED and ES."""
    from napari.utils import progress

    with progress(total=_SUBJECTS, desc="making the phantom cohort") as bar:
        folder = phantom_cohort_folder(lambda _done, _total: bar.update())
    subject = resolve_subject(open_cohort(folder).subjects[0])
    return [
        *read(str(subject.frames[0].path)),
        phases_layer(subject, f"{subject.id} labels"),
    ]


def phantom_cohort_folder(on_progress: Callable[[int, int], None] | None = None) -> Path:
    """Return the folder of a small labelled phantom cohort in the cache; create it on the first call.

    Creating it takes several seconds.

    Parameters
    ----------
    on_progress : callable, optional
        Called with the number of written subjects and the total.

    Raises
    ------
    OutputError
        If the cache folder cannot be written.
    """
    folder = cache_folder() / f"phantom-cohort-{__version__}"
    if _is_complete(folder):
        return folder
    shutil.rmtree(folder, ignore_errors=True)  # an incomplete cohort, for example after cleaning the cache
    try:
        write_phantom_cohort(folder, _SUBJECTS, workers=_WORKERS, progress=on_progress)
    except OutputError:
        if not _is_complete(folder):  # otherwise another process was faster
            raise
    return folder


def _is_complete(folder: Path) -> bool:
    """Return whether all files of the cohort are present."""
    return folder.is_dir() and len(list(folder.iterdir())) == _FILES_EACH * _SUBJECTS + 1
