"""NIfTI cines and label files into layers (frame, slice, row, column)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cmr_ssp.errors import CmrSspError
from cmr_ssp.files import open_cine
from cmr_ssp.files.formats.geometry import VoxelSizeError
from cmr_ssp.files.formats.nifti import is_nifti, read_header, stem_of
from cmr_ssp.subjects import CineStack

from napari_cmr_ssp.io.label_files import is_label_file, label_layer
from napari_cmr_ssp.scene.layers import LayerData, image_layer, source_metadata

PathOrPaths = str | Sequence[str]
Reader = Callable[[PathOrPaths], list[LayerData]]

_MOST_SLICES = 40
_LEAST_ANISOTROPY = 2.0
"""A short-axis stack has few slices, and they lie much further apart than pixels."""


def get_reader(path: PathOrPaths | None = None) -> Reader | None:
    """Return a reader for NIfTI cines, short-axis volumes and label files, None for anything else.

    Without a path, as napari's command palette calls it, the user is asked for a file, which is opened.

    Every NIfTI file comes by here. A 3D volume that is no short-axis stack (a brain, a CT) is left to other
    plugins. A damaged file is taken, because reading it says what is wrong with it.
    """
    if path is None:
        from napari_cmr_ssp.io.palette import open_cine_file

        return open_cine_file()
    if not isinstance(path, str):
        return None  # several files to stack into one layer: a cine is one file
    file = Path(path)
    if not is_nifti(file) or not file.is_file():
        return None
    try:
        mine = is_label_file(file) or _may_be_short_axis(open_cine(file))
    except VoxelSizeError:
        mine = read_header(file).shape[0] > 1  # a volume may be an image of anything else
    except CmrSspError:
        mine = True
    return read if mine else None


def read(path: PathOrPaths) -> list[LayerData]:
    """Read one file as one layer.

    The pixels are read here, once: a compressed cine cannot be read in parts, napari shows a new layer at
    once, and what is wrong with a file has to be said before its layer exists.

    Raises
    ------
    CmrSspError
        Saying what is wrong with the file and what to do.
    """
    files = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    return [label_layer(file) if is_label_file(file) else _cine_layer(file) for file in files]


def _may_be_short_axis(stack: CineStack) -> bool:
    slices, row, column = stack.grid.spacing_mm
    is_thick = slices >= _LEAST_ANISOTROPY * max(row, column)
    return stack.n_frames > 1 or (is_thick and stack.grid.shape[0] <= _MOST_SLICES)


def _cine_layer(path: Path) -> LayerData:
    stack = open_cine(path)
    about = source_metadata(stack.grid, stack.sources) | {"frame_spacing_s": stack.frame_spacing_s}
    layer = image_layer(stack.load(), stack.grid, stem_of(path), **about)
    show_warnings(stack)
    return layer


def show_warnings(stack: CineStack) -> None:
    """Say what is odd about the geometry: volumes depend on it."""
    from napari.utils.notifications import show_warning

    for problem in stack.problems:
        show_warning(str(problem))
