"""List the series of a DICOM folder or archive, and open its short-axis cine."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from cmr_ssp.errors import CmrSspError, ImageError, Problem
from cmr_ssp.files.dicom.candidates import LEAST_SLICES, Candidate
from cmr_ssp.files.dicom.exam_headers import read_exam
from cmr_ssp.files.dicom.fitting import slice_multiples
from cmr_ssp.files.dicom.left_out import Fault, left_out_problems
from cmr_ssp.files.dicom.origins import mixed_exam_problems
from cmr_ssp.files.dicom.pixels import RowLoader, decoder_problems
from cmr_ssp.files.dicom.series import DicomFolder, DicomSeries, SliceTimes
from cmr_ssp.files.dicom.sources import stamps
from cmr_ssp.files.dicom.table import FrameTable, Mix, make_table
from cmr_ssp.files.formats.geometry import towards_apex
from cmr_ssp.subjects import Acquisition, CineStack
from cmr_ssp.subjects.sorting import SortOptions

_LEAST_COSINE = 0.4  # the slices of a long-axis view contain the heart's axis; it varies by 20 degrees


def list_dicom(path: Path, options: SortOptions | None = None, *, where: str | None = None) -> DicomFolder:
    """List the series of a DICOM folder, zip archive or file, reading headers only.

    Stacks are found by orientation, pixel grid and position, not by the names of series. Nothing is unpacked
    on disk, and nothing that identifies a person is kept.

    Parameters
    ----------
    path : Path
        Folder (searched recursively), archive or multi-frame file.
    options : SortOptions, optional
        What to do if slices do not fit together.
    where : str, optional
        Name of the exam in problems, instead of its path.

    Raises
    ------
    ImageError
        If there is no DICOM image, or the exam exceeds the limits.
    """
    options, where = options or SortOptions(), where or str(path)
    candidates, problems = _candidates(path, where)
    stacks: list[CineStack] = []
    series: list[DicomSeries] = []
    for number, candidate in enumerate(candidates, start=1):
        asked = options.series == number
        found = _judge(candidate, options, where, asked=asked)
        if isinstance(found, FrameTable):
            stacks.append(_stack(path, candidate, found, problems, where))
        described = _describe(candidate, options, None if isinstance(found, FrameTable) else found)
        series.append(replace(described, choices=_choices(candidate, where, asked=asked)))
    return DicomFolder(tuple(stacks), tuple(series), problems)


def open_dicom(path: Path, options: SortOptions | None = None, *, where: str | None = None) -> CineStack:
    """Open the short-axis cine of a DICOM folder, zip archive or multi-frame file, reading headers only.

    ``load()`` returns float32 pixels, rescaled with slope and intercept, shape (frame, slice, row, column),
    base slice first if the order is known. `problems` reports resampled, interpolated and left-out slices.

    Parameters
    ----------
    path, options, where
        As for `list_dicom`.

    Raises
    ------
    ImageError
        If there is no short-axis cine, more than one (the error lists all with their numbers), or if its
        slices do not fit together: gap, duplicate, rotated slice, different numbers of frames.
    """
    options, where = options or SortOptions(), where or str(path)
    candidates, problems = _candidates(path, where)
    try:
        return _open_likely(path, candidates, options, problems, where)
    except ImageError as error:
        raise ImageError(*problems, *_after_copying(error, problems)) from None


def _after_copying(error: ImageError, problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems of an error; if files are damaged, advise to copy them again first."""
    if not any(str(Fault.DAMAGED) in problem.what for problem in problems):
        return list(error.problems)
    first = "Copy its damaged files again. If that is impossible: {}"
    return [replace(problem, remedy=first.format(problem.remedy)) for problem in error.problems]


def _open_likely(
    path: Path,
    candidates: tuple[Candidate, ...],
    options: SortOptions,
    problems: tuple[Problem, ...],
    where: str,
) -> CineStack:
    if options.series is not None:
        if not 1 <= options.series <= len(candidates):
            what = f"it has {len(candidates)} series, but number {options.series} was requested"
            raise ImageError.of(where, what, "Choose one of the listed series, counted from 1.")
        return _open(path, candidates[options.series - 1], options, problems, where, asked=True)
    likely = [(n, each) for n, each in enumerate(candidates, start=1) if not _reason(each, asked=False)]
    if not likely:
        raise ImageError.of(
            where, f"it contains no short-axis cine ({_why_not(candidates)})", "Choose another exam."
        )
    if len(likely) > 1:
        listed = "; ".join(f"{n}: {_summary(each)}" for n, each in likely)
        what = f"{len(likely)} stacks may be its short-axis cine ({listed})"
        raise ImageError.of(
            where, what, f"Choose one of them, for example with cmr-ssp convert --series {likely[0][0]}."
        )
    return _open(path, likely[0][1], options, problems, where, asked=False)


def _open(
    path: Path,
    candidate: Candidate,
    options: SortOptions,
    problems: tuple[Problem, ...],
    where: str,
    *,
    asked: bool,
) -> CineStack:
    found = _judge(candidate, options, where, asked=asked)
    if isinstance(found, ImageError):
        raise found
    return _stack(path, candidate, found, problems, where)


def _candidates(path: Path, where: str) -> tuple[tuple[Candidate, ...], tuple[Problem, ...]]:
    try:
        found = read_exam(path, stamps(path))
    except ImageError as error:
        raise ImageError(*(replace(problem, where=where) for problem in error.problems)) from None
    except MemoryError:
        what = "its headers need more memory than is available"
        raise ImageError.of(where, what, "Close other programs, or leave out the exam.") from None
    notes = [*mixed_exam_problems(found.planes, where), *left_out_problems(found.left_out, where)]
    if not found.candidates:
        raise ImageError(
            *notes, Problem(where, "it contains no DICOM image", "Choose the folder of an exam.")
        )
    return found.candidates, tuple(notes)


def _reason(candidate: Candidate, *, asked: bool) -> str | None:
    """Return why a candidate is not a short-axis cine; orientation is not checked if the user chose it."""
    oddities = [each.oddity for at in candidate.slices for each in at.passes]
    if candidate.first.oddity:
        return candidate.first.oddity
    if oddities[0] and len(set(oddities)) == 1:
        return oddities[0]
    if len(candidate.slices) < LEAST_SLICES:
        return f"it has fewer than {LEAST_SLICES} parallel slices"
    across = abs(towards_apex(candidate.first.axes[2] * (-1, -1, 1)))
    if across < _LEAST_COSINE and not asked:
        return "it shows a long-axis view, not a short-axis stack"
    return None


def _judge(candidate: Candidate, options: SortOptions, where: str, *, asked: bool) -> FrameTable | ImageError:
    """Return the frame table of a candidate, or the reason why it has none."""
    reason = _reason(candidate, asked=asked)
    if reason:
        return ImageError.of(where, reason, "Choose another series.")
    try:
        table = make_table(candidate, options, where)
    except ImageError as error:
        return error
    problems = decoder_problems(candidate.planes, where)
    return ImageError(*problems) if problems else table


def _choices(candidate: Candidate, where: str, *, asked: bool) -> frozenset[str]:
    """Return the options that affect a candidate: those that can refuse it, and the choice of acquisition."""
    mending = SortOptions(unequal_frames="resample", missing_slice="skip")
    if isinstance(_judge(candidate, mending, where, asked=asked), ImageError):
        return frozenset()
    refusing = {
        "unequal_frames": replace(mending, unequal_frames="refuse"),
        "missing_slice": replace(mending, missing_slice="refuse"),
    }
    found = {
        name
        for name, options in refusing.items()
        if isinstance(_judge(candidate, options, where, asked=asked), ImageError)
    }
    return frozenset(found | {"repeated"} if any(len(at.passes) > 1 for at in candidate.slices) else found)


def _stack(
    path: Path, candidate: Candidate, table: FrameTable, problems: tuple[Problem, ...], where: str
) -> CineStack:
    return CineStack(
        grid=table.grid,
        n_frames=len(table.rows[0]),
        load=RowLoader(table.rows, where),
        frame_spacing_s=table.frame_spacing_s,
        sources=(path,),
        problems=(*problems, *table.problems),
        acquisition=_acquisition(candidate),
        alterations=table.alterations,
        image_uids=_image_uids(table),
    )


def _image_uids(table: FrameTable) -> tuple[tuple[str, ...], ...]:
    """Return the UID of the one image that each frame and slice is, empty text where there is none."""

    def uid(mix: Mix) -> str:
        plane = mix[0][0]
        return plane.instance_uid if len(mix) == 1 and plane.index is None else ""

    return tuple(tuple(uid(row[t]) for row in table.rows) for t in range(len(table.rows[0])))


def _acquisition(candidate: Candidate) -> Acquisition:
    rates = [plane.acquisition.heart_rate_bpm for plane in candidate.planes]
    known = [rate for rate in rates if rate]
    return replace(
        candidate.first.acquisition, heart_rate_bpm=round(statistics.median(known), 1) if known else None
    )


def _describe(candidate: Candidate, options: SortOptions, error: CmrSspError | None) -> DicomSeries:
    index = -1 if options.repeated == "last" else 0
    chosen = [at.passes[index] for at in candidate.slices]
    slices = tuple(
        SliceTimes(round(at.position_mm, 2), len(each.planes), each.times_ms, len(at.passes), n_missing)
        for at, each, n_missing in zip(candidate.slices, chosen, _n_missing(candidate), strict=True)
    )
    reason = "; ".join(problem.what for problem in error.problems) if error else None
    return DicomSeries(_description(candidate), len(slices), candidate.n_frames, reason, slices)


def _n_missing(candidate: Candidate) -> list[int]:
    """Return the number of missing slices before each slice."""
    enough = len(candidate.slices) >= LEAST_SLICES
    multiples, _ = slice_multiples(candidate.slices, "") if enough else ([], [])
    if not multiples:
        return [0] * len(candidate.slices)
    return [0, *(high - low - 1 for low, high in pairwise(multiples))]


def _description(candidate: Candidate) -> str:
    first, numbers = candidate.first, candidate.series_numbers
    series = f"series {numbers[0]}" if len(numbers) == 1 else f"series {numbers[0]} to {numbers[-1]}"
    (rows, columns), (row_mm, column_mm) = first.shape, first.spacing_mm
    return f"{series}, {rows} x {columns} of {row_mm:.2f} x {column_mm:.2f} mm"


def _summary(candidate: Candidate) -> str:
    size = f"{len(candidate.slices)} slices x {candidate.n_frames} frames"
    return f"{size}, {_description(candidate)}"


def _why_not(candidates: Sequence[Candidate]) -> str:
    reasons = [f"{_description(each)}: {_reason(each, asked=False)}" for each in candidates]
    more = f"; and {len(reasons) - 8} more" if len(reasons) > 8 else ""
    return "; ".join(reasons[:8]) + more
