"""napari reader for NIfTI cines and label files; layers have the axes (frame, slice, row, column)."""

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

_MAX_SLICES = 40
_MIN_ANISOTROPY = 2.0
"""Smallest ratio of slice to pixel distance of a short-axis stack."""


def get_reader(path: PathOrPaths | None = None) -> Reader | None:
    """Return a reader for NIfTI cines, short-axis volumes and label files, None for anything else.

    Without a path, as in a call from napari's command palette, ask the user for a file and open it.

    napari calls this for every NIfTI file. 3D volumes that are not short-axis stacks (a brain, a CT) are left
    to other plugins. Damaged files are accepted, because reading them reports the problem.
    """
    if path is None:
        from napari_cmr_ssp.io.palette import open_cine_file

        return open_cine_file()
    if not isinstance(path, str):
        return None  # several files for one layer; a cine is one file
    file = Path(path)
    if not is_nifti(file) or not file.is_file():
        return None
    try:
        is_readable = is_label_file(file) or _may_be_short_axis(open_cine(file))
    except VoxelSizeError:
        is_readable = read_header(file).shape[0] > 1  # a 3D volume may show anything else
    except CmrSspError:
        is_readable = True
    return read if is_readable else None


def read(path: PathOrPaths) -> list[LayerData]:
    """Read one file as one layer.

    All pixels are read immediately: a compressed cine cannot be read in parts, and problems must be reported
    before the layer exists.

    Raises
    ------
    CmrSspError
        If the file cannot be read.
    """
    files = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    return [label_layer(file) if is_label_file(file) else _cine_layer(file) for file in files]


def _may_be_short_axis(stack: CineStack) -> bool:
    slices, row, column = stack.grid.spacing_mm
    is_thick = slices >= _MIN_ANISOTROPY * max(row, column)
    return stack.n_frames > 1 or (is_thick and stack.grid.shape[0] <= _MAX_SLICES)


def _cine_layer(path: Path) -> LayerData:
    stack = open_cine(path)
    about = source_metadata(stack.grid, stack.sources) | {"frame_spacing_s": stack.frame_spacing_s}
    layer = image_layer(stack.load(), stack.grid, stem_of(path), **about)
    show_warnings(stack)
    return layer


def show_warnings(stack: CineStack) -> None:
    """Show warnings about a stack, such as an unusual geometry, as napari notifications."""
    from napari.utils.notifications import show_warning

    for problem in stack.problems:
        show_warning(str(problem))
