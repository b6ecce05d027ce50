"""Recognise the layout of a folder and list its subjects."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

from cmr_ssp.anatomy import Numbering
from cmr_ssp.errors import CmrSspError, CohortError, Problem, Severity, is_text
from cmr_ssp.files.dicom.sources import is_zip
from cmr_ssp.files.formats.folders import entries, is_folder, unreadable_problems
from cmr_ssp.files.formats.nifti import is_nifti, read_header
from cmr_ssp.files.labels.reading import label_header_problems
from cmr_ssp.files.layouts.numbering import numbering_in_yaml
from cmr_ssp.files.layouts.personal_names import personal_problems
from cmr_ssp.files.layouts.registry import ARCHIVES, LAYOUTS, OF_DICOM, TOGETHER, Layout
from cmr_ssp.files.stacks import open_stack
from cmr_ssp.subjects import CineStack, Cohort, ContourSource, LabelSource, Subject, same_affine

_DEPTH = 3
_MAX_FOLDERS = 2000


def open_cohort(folder: Path) -> Cohort:
    """List the subjects under a folder, reading headers only.

    The layout is searched in the folder itself, in its subfolders, and in its parent (if the folder is that
    of one subject, the cohort has only this subject). The zip archive of a DICOM exam is a cohort of that
    exam.

    Parameters
    ----------
    folder : Path
        Folder or archive.

    Returns
    -------
    Cohort
        Usable subjects, and all problems. Subjects with an error are not included.

    Raises
    ------
    CohortError
        If the folder is missing or empty, or has no known layout or several.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would lose the user's own links
    if not is_zip(folder):
        _check_folder(folder)
    layouts = _recognise(folder)
    subjects: list[Subject] = []
    problems: list[Problem] = []
    for layout, place in ((layout, place) for layout, places in layouts for place in places):
        found, wrong = layout.list_subjects(place)
        stated = numbering_in_yaml(place)
        subjects += [_renumbered(subject, stated) for subject in found if _lies_in(subject, folder)]
        problems += [problem for problem in wrong if place != folder.parent or str(folder) in problem.where]
    problems += unreadable_problems(place for _, places in layouts for place in places)
    problems += personal_problems(folder, (subject.id for subject in subjects))
    usable: dict[str, Subject] = {}
    refused: list[Subject] = []
    for subject in sorted(subjects, key=lambda subject: subject.id):
        wrong = [*_bad_id(subject, usable), *header_problems(subject)]
        problems += wrong
        if any(problem.severity is Severity.ERROR for problem in wrong):
            refused.append(subject)
        else:
            usable[subject.id] = subject
    return Cohort(
        folder,
        " and ".join(layout.NAME for layout, _ in layouts),
        tuple(usable.values()),
        tuple(dict.fromkeys(problems)),
        tuple(refused),
    )


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise CohortError.of(folder, "the folder does not exist", "Check the path.")
    if not folder.is_dir():
        raise CohortError.of(folder, "it is a file", "Choose the folder of the subjects.")
    try:
        empty = not any(folder.iterdir())
    except OSError as error:
        raise CohortError.of(
            folder, f"it cannot be read ({error.strerror})", "Check its permissions."
        ) from error
    if empty:
        raise CohortError.of(folder, "the folder is empty", "Choose the folder of the subjects.")


def _recognise(folder: Path) -> list[tuple[Layout, list[Path]]]:
    """Return the layout of a folder (or several made to be combined), each with its folders of subjects."""
    if is_zip(folder):
        if ARCHIVES.recognises(folder):
            return [(ARCHIVES, [folder])]
        raise CohortError.of(folder, "the archive contains no DICOM image", "Unpack other archives first.")
    for layout in LAYOUTS:
        if layout.recognises(folder):
            return [(layout, [folder])]
        # NIfTI files are not part of an exam, even if there are exams beside their folder
        if layout not in OF_DICOM and _holds_images(folder) and layout.recognises(folder.parent):
            return [(layout, [folder.parent])]
    found = _below(folder, LAYOUTS[:-1]) or _below(folder, LAYOUTS[-1:])
    if not found:
        known = "; ".join(f"{layout.NAME} ({layout.EXPECTS})" for layout in LAYOUTS)
        remedy = f"Looked here and in the folders below for {known}. See docs/data.md."
        raise CohortError.of(folder, "it has no known layout", remedy)
    if len(found) > 1 and not {layout.NAME for layout, _ in found} <= TOGETHER:
        listed = "; ".join(
            f"{layout.NAME} in {', '.join(str(place.relative_to(folder)) for place in places)}"
            for layout, places in found
        )
        raise CohortError.of(
            folder, f"it contains several data sets ({listed})", "Name one of these folders."
        )
    return found


def _below(folder: Path, layouts: Sequence[Layout]) -> list[tuple[Layout, list[Path]]]:
    """Search subfolders for layouts, to a limited depth and number, and not within a match."""
    found: dict[str, tuple[Layout, list[Path]]] = {}
    level, seen = [folder], 0
    for _ in range(_DEPTH):
        below = [entry for parent in level for entry in subfolders(parent)][: _MAX_FOLDERS - seen]
        seen += len(below)
        level = []
        for entry in below:
            layout = next((layout for layout in layouts if layout.recognises(entry)), None)
            if layout is None:
                level.append(entry)
            else:
                found.setdefault(layout.NAME, (layout, []))[1].append(entry)
    return list(found.values())


def subfolders(folder: Path) -> list[Path]:
    """Return the sorted subfolders without hidden ones; none if the folder cannot be read."""
    return [entry for entry in entries(folder) if is_folder(entry) and not entry.name.startswith(".")]


def _holds_images(folder: Path) -> bool:
    return any(is_nifti(entry) for entry in entries(folder))


def _lies_in(subject: Subject, folder: Path) -> bool:
    return any(folder in (frame.path, *frame.path.parents) for frame in subject.frames)


def _renumbered(subject: Subject, numbering: Numbering | None) -> Subject:
    """Replace the numbering of the layout by that of the user."""
    if numbering is None:
        return subject
    return replace(subject, labels=tuple(replace(label, numbering=numbering) for label in subject.labels))


def _bad_id(subject: Subject, others: Container[str]) -> list[Problem]:
    """Check that an id is unique and safe as a file name."""
    where = f"subject {subject.id}"
    if subject.place is not None and not subject.is_exam:
        where = str(subject.place)
    problems = []
    if not is_text(subject.id):
        problems.append(
            Problem(where, "its name is not UTF-8", "Rename it, with letters, digits, '-' and '_'.")
        )
    elif not subject.names_files:
        what = f"'{subject.id}' cannot be a subject's id"
        problems.append(
            Problem(where, what, "Use letters, digits, '-' and '_' in ids, beginning with a letter or digit.")
        )
    if subject.id in others:
        what = f"a second subject has the id '{subject.id}'"
        problems.append(Problem(where, what, "Rename one of them, or choose the folder of one data set."))
    return problems


def header_problems(subject: Subject) -> list[Problem]:
    """Check the headers of a subject's images and labels."""
    try:
        stack = open_stack(subject)
    except CmrSspError as error:
        return list(error.problems)
    problems = list(stack.problems)
    if len({label.listed_frame for label in subject.labels}) < len(subject.labels):
        what = f"ED and ES of {subject.id} are the same frame"
        remedy = "Correct the frame numbers given with the cohort."
        problems.append(Problem(str(subject.labels[0].source.path), what, remedy))
    for label in subject.labels:
        try:
            problems += _label_problems(label, stack)
        except CmrSspError as error:
            problems += error.problems
    return problems


def _label_problems(label: LabelSource, stack: CineStack) -> list[Problem]:
    if isinstance(label.source, ContourSource):  # listing rasterised them on this grid
        return []
    header = read_header(label.source.path)
    problems = label_header_problems(header, label, stack)
    if problems or same_affine(header.affine, stack.grid.affine):
        return problems
    what = "its affine differs from that of its cine; voxels are matched by index"
    remedy = "Check an overlay before you use these labels."
    return [Problem.warning(header.path, what, remedy)]
