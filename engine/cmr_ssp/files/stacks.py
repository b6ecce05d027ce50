"""Open stacks from a 4D file, several 3D files or a DICOM exam; pixels are read on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import CmrSspError, ImageError, Problem
from cmr_ssp.files.dicom import may_be_exam, open_dicom
from cmr_ssp.files.dicom.pixels import RowLoader
from cmr_ssp.files.formats.frame_reading import FileSource, index_in_file, open_frames
from cmr_ssp.files.formats.geometry import grid_of
from cmr_ssp.files.formats.nifti import NiftiHeader, read_header
from cmr_ssp.files.formats.pixels import read_stored, scale
from cmr_ssp.subjects import (
    CineStack,
    ExamSource,
    ImageSource,
    SortOptions,
    Subject,
    exam_frames,
    file_frames,
    same_affine,
)


def open_cine(path: Path) -> CineStack:
    """Open a NIfTI file or DICOM exam (folder, zip archive) as a stack; a 3D volume is one frame.

    Raises
    ------
    ImageError
        If the file is not a usable image. ``load()`` raises it for damaged or non-finite pixels.
    """
    if may_be_exam(path):
        return open_dicom(path)
    return _open(path.name, file_frames(path, read_header(path).shape[0]))


def list_frames(path: Path) -> tuple[ImageSource, ...]:
    """Return the frames of a NIfTI file or DICOM exam.

    Raises
    ------
    ImageError
        If it is not a usable image.
    """
    n_frames = open_cine(path).n_frames
    return exam_frames(path, n_frames) if may_be_exam(path) else file_frames(path, n_frames)


def open_stack(subject: Subject) -> CineStack:
    """Open the cine of a subject, reading headers only.

    ``load()`` of the result reads each file once and returns contiguous float32 pixels, shape (frame, slice,
    row, column), base first if the slice order is known.

    Raises
    ------
    ImageError
        If files are not usable images or have different grids; the error names all of them.

    Examples
    --------
    >>> stack = cmr_ssp.open_stack(cohort.subject("a"))
    >>> stack.pixels.shape  # (frame, slice, row, column)
    (4, 3, 36, 40)
    """
    name = f"subject {subject.id}"
    exam = tuple(frame for frame in subject.frames if isinstance(frame, ExamSource))
    if exam:
        return _open_exam(name, exam, subject.sorting)
    return _open(name, tuple(frame for frame in subject.frames if not isinstance(frame, ExamSource)))


def read_middle_slice(subject: Subject, frame: int = 0) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Read the middle slice of one frame, and as little else as its files allow.

    Returns
    -------
    pixels : ndarray of float32, shape (row, column)
        The slice.
    spacing_mm : tuple of float
        Distance between rows and between columns, in mm.

    Raises
    ------
    ImageError
        If the files are no usable images.
    """
    source = subject.frames[frame]
    if isinstance(source, ExamSource):
        stack = open_stack(subject)
        load = stack.load
        if isinstance(load, RowLoader):
            row = load.rows[len(load.rows) // 2]
            load = replace(load, rows=(row[frame : frame + 1],))
        volume = load()[0]
    else:
        stack = _open(f"subject {subject.id}", (source,))
        if stack.open_frames is None:
            volume = stack.load()[0]
        else:
            with stack.open_frames() as frames:
                volume = frames[0]
    return volume[len(volume) // 2], stack.grid.spacing_mm[1:]


def _open_exam(where: str, frames: tuple[ExamSource, ...], sorting: SortOptions | None) -> CineStack:
    """Open a DICOM exam; problems name the subject, since paths may name a person."""
    stack = open_dicom(frames[0].path, sorting, where=where)
    if [frame.index for frame in frames] != list(range(stack.n_frames)):
        what = f"its exam has {stack.n_frames} frames, not the same as when it was listed"
        raise ImageError.of(where, what, "List the cohort again.")
    return stack


def _open(name: str, frames: tuple[FileSource, ...]) -> CineStack:
    if not frames:
        raise ImageError.of(name, "it has no frames", "Add a cine, or leave the subject out.")
    paths = tuple(dict.fromkeys(frame.path for frame in frames))
    headers = _headers(paths)
    first = headers[paths[0]]
    problems = [problem for h in headers.values() for problem in _disagreements(first, h)]
    problems += [problem for frame in frames for problem in _missing_frame(frame, headers[frame.path])]
    if problems:
        raise ImageError(*problems)
    grid, warnings = grid_of(first)
    return CineStack(
        grid=grid,
        n_frames=len(frames),
        load=partial(_load, frames, grid.slices_reversed, headers),
        open_frames=partial(open_frames, frames, grid.slices_reversed, headers),
        frame_spacing_s=first.frame_spacing_s,
        sources=paths,
        problems=(*warnings, *_altered(first)),
        alterations=first.alterations,
    )


def _altered(header: NiftiHeader) -> list[Problem]:
    """Repeat the warnings from the conversion of DICOM."""
    what, remedy = "its {} when it was made from DICOM", "They are less reliable than measured ones."
    return [Problem.warning(header.path, what.format(each), remedy) for each in header.alterations]


def _headers(paths: Sequence[Path]) -> dict[Path, NiftiHeader]:
    """Read all headers; raise one error for all that fail."""
    headers: dict[Path, NiftiHeader] = {}
    problems: list[Problem] = []
    for path in paths:
        try:
            headers[path] = read_header(path)
        except CmrSspError as error:
            problems += error.problems
    if problems:
        raise ImageError(*problems)
    return headers


def _disagreements(first: NiftiHeader, other: NiftiHeader) -> list[Problem]:
    remedy = f"Frames of one cine share one grid: compare it with {first.path.name}."
    if other.shape[1:] != first.shape[1:]:
        what = f"its volume has the shape {other.shape[1:]}, that of the first frame {first.shape[1:]}"
        return [Problem(str(other.path), what, remedy)]
    if not same_affine(other.affine, first.affine):
        return [Problem(str(other.path), "its affine differs from that of the first frame", remedy)]
    return []


def _missing_frame(frame: FileSource, header: NiftiHeader) -> list[Problem]:
    index = index_in_file(frame)
    if index < header.shape[0]:
        return []
    what = f"frame {index} was requested, but it has {header.shape[0]} (counted from 0)"
    return [Problem(str(frame.path), what, "Check the frame numbers given with the cohort.")]


def _load(
    frames: tuple[FileSource, ...], slices_reversed: bool, headers: Mapping[Path, NiftiHeader]
) -> NDArray[np.float32]:
    """Read every file once and return its frames in order."""
    paths = tuple(dict.fromkeys(frame.path for frame in frames))
    if len(paths) == 1:
        return _read_frames(headers[paths[0]], [index_in_file(frame) for frame in frames], slices_reversed)
    pixels = np.empty((len(frames), *headers[paths[0]].shape[1:]), np.float32)
    for path in paths:
        places = [t for t, frame in enumerate(frames) if frame.path == path]
        indices = [index_in_file(frames[t]) for t in places]
        pixels[places] = _read_frames(headers[path], indices, slices_reversed)
    return pixels


def _read_frames(header: NiftiHeader, indices: list[int], slices_reversed: bool) -> NDArray[np.float32]:
    stored = read_stored(header)
    if indices != list(range(header.shape[0])):
        stored = stored[indices]
    return scale(stored[:, ::-1] if slices_reversed else stored, header)
