"""Build a slice bank: read, standardise and locate the heart of every subject, in parallel threads."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cmr_ssp.anatomy import Phase
from cmr_ssp.cache import naming_faults
from cmr_ssp.errors import CacheError, CmrSspError, ImageError, Problem
from cmr_ssp.events import Cancel, OnProblem, Progress, ignore_problem, ignore_progress
from cmr_ssp.files import open_stack, read_segmentation, resolve_subject
from cmr_ssp.files.dicom import signature
from cmr_ssp.files.labels.reading import label_files
from cmr_ssp.samples.bank.content import SubjectContent
from cmr_ssp.samples.bank.files import INDEX, PIXELS, flush_folder, seal
from cmr_ssp.samples.bank.room import make_room
from cmr_ssp.samples.bank.slices import SLICE, SliceBank, open_bank
from cmr_ssp.samples.bank.store import building, default_bank_folder, discard, mark_used
from cmr_ssp.samples.heart import find_heart
from cmr_ssp.samples.standardise import standardise
from cmr_ssp.subjects import Frames, ResolvedSubject, Segmentation, Subject

_FORMAT = 4  # increase when the stored content changes
_LABEL_PADDING = 2  # float16 views need even offsets


@dataclass(frozen=True, slots=True, eq=False)
class _PreparedSubject:
    levels: NDArray[np.float16]  # (frame, slice, row, column)
    index: NDArray[np.void]  # without offsets yet
    segmentations: tuple[Segmentation, ...]  # cropped like the levels
    fingerprint: str
    content: SubjectContent

    @property
    def n_bytes(self) -> int:
        return self.levels.nbytes + sum(drawing.labels.nbytes for drawing in self.segmentations)


def slice_bank(
    subjects: Sequence[Subject],
    parent: Path | None = None,
    on_progress: Progress = ignore_progress,
    cancel: Cancel | None = None,
    on_problem: OnProblem = ignore_problem,
) -> SliceBank:
    """Open the bank of these subjects; build it if there is none that matches their files.

    Parameters
    ----------
    subjects : sequence of Subject
        Subjects in the bank.
    parent : Path, optional
        Folder of banks; by default `default_bank_folder`.
    on_progress : callable, optional
        Called with the number of finished subjects and the total.
    cancel : Cancel, optional
        Checked between the steps of each subject.
    on_problem : callable, optional
        Called with a warning if a damaged bank is rebuilt, or if the size limit is exceeded.

    Raises
    ------
    CacheError
        If the bank cannot be written, or the size limit is invalid.
    ImageError
        If files cannot be used; the error names all of them.
    Cancelled
        If a stop was requested; the unfinished bank is removed.
    """
    parent = parent or default_bank_folder()
    folder = parent / f"bank-{_content_key(subjects)}"
    bank = _usable(folder, on_problem)
    if bank is None:
        make_room(parent)
        with building(folder) as unfinished:
            _write(subjects, unfinished, on_progress, cancel or Cancel())
            _rename(unfinished, folder)
        bank = open_bank(folder)
        if (too_much := make_room(parent)) is not None:
            on_problem(too_much)
    mark_used(folder)
    return bank


def _usable(folder: Path, on_problem: OnProblem) -> SliceBank | None:
    """Open the bank in a folder; return None if there is none, and remove a damaged one."""
    if not folder.exists():
        return None
    try:
        return open_bank(folder)
    except CacheError as error:
        what = error.problems[0].what
    discard(folder)
    on_problem(Problem.warning(folder, what, "It is rebuilt; nothing is lost."))
    return None


def _content_key(subjects: Sequence[Subject]) -> str:
    """Compute a digest of everything the bank depends on; changed files differ in size or time."""
    digest = hashlib.blake2b(f"{_FORMAT}".encode(), digest_size=12)
    for subject in subjects:
        digest.update(repr((subject.id, subject.frames, subject.labels)).encode())
        if subject.sorting is not None:  # otherwise the key equals that of banks of earlier versions
            digest.update(repr(subject.sorting).encode())
        sources = {frame.path for frame in subject.frames}
        sources |= {path for label in subject.labels for path in label_files(label)}
        for path in sorted(sources):
            for name, size, changed in signature(path):  # empty for a missing file: reading reports it
                digest.update(os.fsencode(f"{name}|{size}|{changed}"))
    return digest.hexdigest()


def _rename(unfinished: Path, folder: Path) -> None:
    """Rename a finished bank to its final name, unless another process was faster."""
    with naming_faults(folder):
        try:
            unfinished.rename(folder)
        except OSError:
            if not (folder / PIXELS).exists():
                raise
        flush_folder(folder.parent)


def _write(subjects: Sequence[Subject], folder: Path, on_progress: Progress, cancel: Cancel) -> None:
    entries: list[NDArray[np.void]] = []
    fingerprints: list[str] = []
    contents: list[dict[str, Any]] = []
    problems: list[Problem] = []
    with _writable(folder / PIXELS) as file:
        for number, prepared in enumerate(_prepared(subjects, cancel)):
            if isinstance(prepared, CmrSspError):
                problems += prepared.problems
            else:
                prepared.index["subject"] = number
                make_room(folder.parent, file.tell() + prepared.n_bytes)
                with naming_faults(folder.parent):
                    entries.append(_append(file, prepared))
                fingerprints.append(prepared.fingerprint)
                contents.append(prepared.content.as_dict())
            on_progress(number + 1, len(subjects))
            cancel.check()  # the remaining subjects may be ready already
    if problems:
        raise ImageError(*problems)
    about = {
        "subject_ids": [subject.id for subject in subjects],
        "fingerprints": fingerprints,
        "contents": contents,
    }
    with naming_faults(folder.parent):
        np.save(folder / INDEX, np.concatenate(entries) if entries else np.empty(0, SLICE))
        seal(folder, about)


@contextmanager
def _writable(path: Path) -> Iterator[BinaryIO]:
    """Open a file of the bank; failures to open and close become a `CacheError`."""
    with naming_faults(path.parent.parent):
        file = path.open("wb")
    try:
        yield file
    finally:
        with naming_faults(path.parent.parent):
            file.close()


def _append(file: BinaryIO, prepared: _PreparedSubject) -> NDArray[np.void]:
    """Write the pixels and labels of one subject; return its index entries with their offsets."""
    index, (n_frames, n_slices, rows, columns) = prepared.index, prepared.levels.shape
    start = file.tell()
    file.write(prepared.levels.data)
    index["image_at"] = start + np.arange(n_frames * n_slices) * rows * columns * 2
    index["labels_at"] = -1
    for segmentation in prepared.segmentations:
        start = file.tell()
        file.write(segmentation.labels.data)
        file.write(bytes(segmentation.labels.size % _LABEL_PADDING))
        here = slice(segmentation.frame * n_slices, (segmentation.frame + 1) * n_slices)
        index["labels_at"][here] = start + np.arange(n_slices) * rows * columns
    return index


def _prepared(subjects: Sequence[Subject], cancel: Cancel) -> Iterator[_PreparedSubject | CmrSspError]:
    """Prepare subjects in order with one thread per processor, with only a few of them in memory."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[_PreparedSubject | CmrSspError]] = deque()
    # One subject per thread already uses all processors; BLAS and torch must not start more threads.
    with (
        threadpool_limits(1),
        ThreadPoolExecutor(workers, initializer=threadpool_limits, initargs=(1,)) as pool,
    ):
        for subject in subjects:
            waiting.append(pool.submit(_prepare, subject, cancel))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _prepare(listed: Subject, cancel: Cancel) -> _PreparedSubject | CmrSspError:
    cancel.check()
    try:
        subject = resolve_subject(listed)
        in_plane_mm, pixels, segmentations = _read(subject)
    except CmrSspError as error:
        return error
    cancel.check()
    drawings = {label.phase: drawing for label, drawing in zip(subject.labels, segmentations, strict=True)}
    content = SubjectContent.of(pixels, in_plane_mm, drawings)
    cine = standardise(pixels)
    rows, columns = cine.levels.shape[2:]
    here = (slice(None), slice(cine.top, cine.top + rows), slice(cine.left, cine.left + columns))
    cropped = tuple(
        Segmentation(np.ascontiguousarray(drawing.labels[here]), drawing.frame, drawing.drawn)
        for drawing in segmentations
    )
    cancel.check()
    index = _index(subject, cine.levels, cropped, in_plane_mm)
    index["mean"], index["highest"] = cine.mean, cine.highest
    # Torch converts to half precision ten times as fast as NumPy, with the same result.
    levels = torch.from_numpy(cine.levels).to(torch.float16).numpy()
    return _PreparedSubject(levels, index, cropped, fingerprint(pixels), content)


def _read(
    subject: ResolvedSubject,
) -> tuple[tuple[float, float], NDArray[np.float32], tuple[Segmentation, ...]]:
    """Read in-plane spacing, pixels and labels of a subject; report the problems of all files together."""
    stack = open_stack(subject)
    pixels = np.empty(0, np.float32)
    segmentations: list[Segmentation] = []
    problems: list[Problem] = []
    try:
        pixels = stack.load()
    except CmrSspError as error:
        problems += error.problems
    for phase in subject.phases:
        try:
            segmentations.append(read_segmentation(subject, phase))
        except CmrSspError as error:
            problems += error.problems
    if problems:
        raise ImageError(*problems)
    return stack.grid.spacing_mm[1:], pixels, tuple(segmentations)


def _index(
    subject: ResolvedSubject,
    levels: NDArray[np.float32],
    segmentations: Sequence[Segmentation],
    in_plane_mm: tuple[float, float],
) -> NDArray[np.void]:
    """Return one index entry per slice, in the order of the levels, without offsets."""
    n_frames, n_slices, rows, columns = levels.shape
    index = np.zeros((n_frames, n_slices), SLICE)
    index["frame"], index["slice"] = np.indices(index.shape)
    index["n_slices"], index["rows"], index["columns"] = n_slices, rows, columns
    index["spacing_mm"] = in_plane_mm
    heart = find_heart(levels, in_plane_mm)
    index["heart_px"], index["heart_sure"] = (heart.row, heart.column), heart.sure
    index["phase"] = -1
    for label, drawing in zip(subject.labels, segmentations, strict=True):
        index["phase"][drawing.frame] = tuple(Phase).index(label.phase)
        index["drawn"][drawing.frame] = sum(1 << (structure - 1) for structure in drawing.drawn)
    return index.reshape(-1)


def fingerprint(pixels: Frames) -> str:
    """Return a digest of the first frame of a cine, which identifies the same images under another name."""
    return hashlib.blake2b(np.ascontiguousarray(pixels[0]).data, digest_size=8).hexdigest()
