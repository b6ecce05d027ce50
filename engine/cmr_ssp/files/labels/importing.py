"""Import labels that were edited in another program."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import TITLES, Numbering, Structure
from cmr_ssp.errors import CmrSspError, LabelError
from cmr_ssp.files.formats.geometry import placed_affine
from cmr_ssp.files.formats.nifti import read_header
from cmr_ssp.files.formats.nrrd import SUFFIX, SlicerSegmentation, read_slicer
from cmr_ssp.files.labels.reading import read_numbers, to_structures
from cmr_ssp.files.labels.writing import written_numbering
from cmr_ssp.files.stacks import open_stack
from cmr_ssp.subjects import CineStack, Grid, Segmentation, Subject, same_affine

_SNAP_LABELS = "labels.txt"
_SNAP_ROW = re.compile(r'\s*(\d+)(?:\s+[\d.]+){6}\s+"(.*)"')
_FRAME = re.compile(r"_frame(\d+)(?:_E[DS])?(?:_seg)?(?:\.seg)?\.n")
_SAVE = "Save it on the grid of the image on which it was drawn."


@dataclass(frozen=True, slots=True, eq=False)
class LabelVolumes:
    """Volumes of a label file, shape (frame, slice, row, column), in the engine's numbers and slice order."""

    labels: NDArray[np.uint8]
    grid: Grid


def import_labels(
    path: Path,
    source: Subject | CineStack,
    *,
    frame: int | None = None,
    numbering: Numbering | None = None,
) -> tuple[Segmentation, ...]:
    """Read labels that were edited in another program as segmentations of a cine.

    Parameters
    ----------
    path : Path
        NIfTI, 4D or one frame, or ``.seg.nrrd`` of 3D Slicer.
    source : Subject or CineStack
        Subject or cine of the labels.
    frame : int, optional
        0-based frame of a file with one volume; of a whole cine, the only frame that is read. By default from
        the file name (``_frame07``), or 0 if the cine has one frame.
    numbering : Numbering, optional
        Meaning of the numbers. By default from the header (if this package wrote it and the other program
        kept it) or from ``labels.txt`` beside the file; ``.seg.nrrd`` files name their segments.

    Returns
    -------
    tuple of Segmentation
        One for each frame with labelled voxels; structures without voxels count as not drawn.

    Raises
    ------
    LabelError
        If the file is unreadable, has another grid, or its numbering or frame is unknown.
    """
    stack = open_stack(source) if isinstance(source, Subject) else source
    if path.name.lower().endswith(SUFFIX):
        volumes = _on_grid(path, read_slicer(path), stack.grid)[None]
    else:
        volumes = _nifti(path, stack, numbering)
    if len(volumes) == stack.n_frames and (frame is None or stack.n_frames > 1):
        places = list(range(stack.n_frames))
        if frame is not None:
            places = [_frame_of(path, stack, frame)]
            volumes = volumes[places]
    elif len(volumes) == 1:
        places = [_frame_of(path, stack, frame)]
    else:
        what = f"it has {len(volumes)} frames, its cine has {stack.n_frames}"
        raise LabelError.of(path, what, "Use one volume, or one for each frame of the cine.")
    found = (Segmentation.of(labels, t) for labels, t in zip(volumes, places, strict=True))
    return tuple(segmentation for segmentation in found if segmentation.drawn)


def numbering_in_header(path: Path) -> Numbering | None:
    """Return the numbering in the header of a label file or in the ITK-SNAP labels beside it."""
    numbering = written_numbering(path)
    if numbering is not None:
        return numbering
    try:
        text = (path.parent / _SNAP_LABELS).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    titles = {title: structure for structure, title in TITLES.items()}
    rows = (_SNAP_ROW.fullmatch(line) for line in text[: 1 << 16].splitlines())
    return {int(row[1]): titles[row[2]] for row in rows if row and row[2] in titles} or None


def _frame_of(path: Path, stack: CineStack, frame: int | None) -> int:
    named = _FRAME.search(path.name)
    if frame is None:
        frame = int(named[1]) if named else 0 if stack.n_frames == 1 else None
    if frame is None:
        what = f"it is unknown to which of the {stack.n_frames} frames of the cine it belongs"
        raise LabelError.of(path, what, "Give the frame, or keep _frameNN (from 0) in the file name.")
    if not 0 <= frame < stack.n_frames:
        what = f"it labels frame {frame} (counted from 0) of a cine of {stack.n_frames}"
        raise LabelError.of(path, what, "Choose a frame of this cine.")
    return frame


def _nifti(path: Path, stack: CineStack, numbering: Numbering | None) -> NDArray[np.uint8]:
    try:
        header = read_header(path)
        _check_grid(path, header.shape[1:], header.affine, stack.grid)
        numbers = read_numbers(header)
    except LabelError:
        raise
    except CmrSspError as error:
        raise LabelError(*error.problems) from error
    meaning = numbering or numbering_in_header(path)
    if meaning is None:
        what = "it does not define which structures its numbers are"
        remedy = f"Give the numbering (--labels acdc or mnms), or keep {_SNAP_LABELS} beside it."
        raise LabelError.of(path, what, remedy)
    labels = to_structures(numbers, meaning, str(path))
    return labels[:, ::-1] if stack.grid.slices_reversed else labels


def _check_grid(path: Path, shape: tuple[int, ...], affine: NDArray[np.float64], grid: Grid) -> None:
    """Compare grids; some programs resolve contradictory voxel sizes on saving."""
    if shape != grid.shape:
        what = f"its shape (slice, row, column) is {shape}, that of its cine {grid.shape}"
        raise LabelError.of(path, what, _SAVE)
    if not any(same_affine(affine, known) for known in (grid.affine, placed_affine(grid))):
        raise LabelError.of(path, "its affine differs from that of its cine", _SAVE)


def _on_grid(path: Path, found: SlicerSegmentation, grid: Grid) -> NDArray[np.uint8]:
    """Insert the volume from Slicer, which may be cropped, into the whole volume."""
    to_voxel = np.linalg.inv(placed_affine(grid)) @ found.affine
    start = np.rint(to_voxel[:3, 3]).astype(int)
    size = found.voxels.shape[:0:-1]
    end = start + size
    turned = not np.allclose(to_voxel[:3, :3], np.eye(3), atol=1e-3)
    off = np.abs(to_voxel[:3, 3] - start).max() > 1e-2
    if turned or off or min(start) < 0 or (end > grid.shape[::-1]).any():
        raise LabelError.of(path, "it is not on the grid of its cine", _SAVE)
    volume = np.zeros(grid.shape, np.uint8)
    (i0, j0, k0), (i1, j1, k1) = start, end
    volume[k0:k1, j0:j1, i0:i1] = _structures(path, found)
    return volume[::-1] if grid.slices_reversed else volume


def _structures(path: Path, found: SlicerSegmentation) -> NDArray[np.uint8]:
    """Map segments to structures; unknown segments with voxels are an error."""
    titles = {TITLES[structure]: structure for structure in Structure}
    titles |= {structure.name: structure for structure in Structure}
    labels = np.zeros(found.voxels.shape[1:], np.uint8)
    known = np.zeros(found.voxels.shape, bool)
    for name, title, value, layer in found.segments:
        structure = titles.get(title) or titles.get(name)
        if structure is not None and 0 <= layer < len(found.voxels):
            here = found.voxels[layer] == value
            known[layer] |= here
            labels[here] = structure
    if ((found.voxels != 0) & ~known).any():
        what = f"it contains voxels of another segment than {', '.join(TITLES.values())}"
        raise LabelError.of(path, what, "Remove that segment, or rename it to one of these.")
    return labels


def read_label_volumes(path: Path, numbering: Numbering | None = None) -> LabelVolumes:
    """Read a NIfTI label file on its own grid.

    Raises
    ------
    LabelError
        If it is unreadable, or neither the file nor `numbering` defines its numbers.
    """
    from cmr_ssp.files.stacks import open_cine

    try:
        stack = open_cine(path)
    except CmrSspError as error:
        raise LabelError(*error.problems) from error
    return LabelVolumes(_nifti(path, stack, numbering), stack.grid)
