"""DICOM exams as exported by hospitals: one subfolder or zip archive per exam.

Names of folders and archives may identify people, so `exam_id` gives the subject ids: pseudonyms that do not
depend on the path. A cvi42 workspace (``.cvi42wsx``) in the folder of an exam or beside it has its labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cmr_ssp.errors import CmrSspError, ImageError, Problem
from cmr_ssp.files.dicom import DicomFolder, exam_id, list_dicom, open_dicom
from cmr_ssp.files.dicom.headers import read_study
from cmr_ssp.files.dicom.reader import first_dicom, reading
from cmr_ssp.files.dicom.sources import is_zip
from cmr_ssp.files.formats.folders import entries, is_folder, is_regular
from cmr_ssp.files.formats.nifti import is_nifti
from cmr_ssp.files.layouts import sunnybrook_exams
from cmr_ssp.files.layouts.contour_labels import workspace_labels
from cmr_ssp.subjects import CineStack, ExamSource, SortOptions, Subject, exam_frames

NAME = "DICOM exams"
EXPECTS = "one subfolder or .zip with DICOM files per exam"


@dataclass(frozen=True, slots=True)
class _Exam:
    path: Path
    study: str = ""
    person: str = ""  # a digest, only for comparison
    is_readable: bool = False


def recognises(folder: Path) -> bool:
    """Return whether `folder` is a DICOM exam or contains exams as subfolders or archives."""
    if is_zip(folder):
        return bool(_exams(folder))
    if any(is_nifti(entry) for entry in entries(folder)):
        return False
    exams = _exams(folder)
    return any(exam.is_readable for exam in exams) and not any(
        _holds_several(exam.path) or sunnybrook_exams.recognises(exam.path)
        for exam in exams
        if exam.path != folder
    )


def list_subjects(folder: Path) -> tuple[list[Subject], list[Problem]]:
    """List the subjects in `folder` (or of one archive) by headers.

    An exam that cannot be opened is included, with a single frame that holds its path.
    """
    ids, problems = _ids(_exams(folder))
    subjects: list[Subject] = []
    for subject_id, exam in ids.items():
        try:
            stack = open_dicom(exam.path, where=f"subject {subject_id}")
        except CmrSspError as error:
            problems += error.problems
            subjects.append(Subject(subject_id, (ExamSource(exam.path, 0),)))
        else:
            subject, found = _subject(subject_id, exam.path, stack, None)
            subjects.append(subject)
            problems += found
    return subjects, problems


def list_series(subject: Subject, options: SortOptions | None = None) -> DicomFolder | None:
    """List the series of a subject's exam, sorted with `options`; None for other files.

    Parameters
    ----------
    subject : Subject
        Subject of a cohort, refused or not.
    options : SortOptions, optional
        By default those of the subject.

    Raises
    ------
    ImageError
        If the exam has no DICOM image, or the archive is damaged.
    """
    if subject.place is None or not subject.is_exam:
        return None
    return list_dicom(subject.place, options or subject.sorting, where=f"subject {subject.id}")


def reopen_exam(subject: Subject, options: SortOptions) -> tuple[Subject, CineStack]:
    """Open the exam of a subject with other options.

    Returns
    -------
    Subject
        The subject with the new frames and options.
    CineStack
        Its cine; `problems` and `alterations` say what was computed or left out.

    Raises
    ------
    ImageError
        If the exam has no short-axis cine with these options.
    """
    path = subject.frames[0].path
    stack = open_dicom(path, options, where=f"subject {subject.id}")
    reopened, problems = _subject(subject.id, path, stack, options)
    return reopened, replace(stack, problems=(*stack.problems, *problems))


def _subject(
    subject_id: str, path: Path, stack: CineStack, sorting: SortOptions | None
) -> tuple[Subject, list[Problem]]:
    frames = exam_frames(path, stack.n_frames)
    vendor = stack.acquisition.vendor if stack.acquisition else None
    labels, problems = workspace_labels(path, stack, f"subject {subject_id}")
    return Subject(subject_id, frames, labels, vendor, sorting=sorting), problems


def _exams(folder: Path) -> list[_Exam]:
    """Return the exams in a folder, or the folder itself if its files or series are one exam."""
    if is_zip(folder):
        return _exam(folder)
    here = [entry for entry in entries(folder) if not entry.name.startswith(".")]
    below = [exam for entry in here if is_folder(entry) or is_zip(entry) for exam in _exam(entry)]
    loose = any(is_regular(entry) and not is_zip(entry) for entry in here)
    alone = _exam(folder) if loose and not below else []
    studies = {(exam.study, exam.person) for exam in below}
    if (
        len(below) > 1
        and len(studies) == 1
        and below[0].study
        and all(is_folder(exam.path) for exam in below)
    ):
        return _exam(folder)  # one folder per series
    return below or alone


def _exam(path: Path) -> list[_Exam]:
    """Return the exam at a path from its first DICOM file, None if it has none."""
    try:
        ref = first_dicom(path)
    except ImageError:
        return [_Exam(path)]  # opening it reports the problem
    if ref is None:
        return []
    with reading() as reader:
        return [_Exam(path, *read_study(reader, ref), is_readable=True)]


def _holds_several(path: Path) -> bool:
    """Return whether a folder contains exams of several people."""
    return is_folder(path) and len({exam.person for exam in _exams(path)}) > 1


def _ids(exams: Sequence[_Exam]) -> tuple[dict[str, _Exam], list[Problem]]:
    """Map ids to exams; of copies of an exam, the first is used."""
    named: dict[str, list[_Exam]] = defaultdict(list)
    for exam in exams:
        named[exam_id(exam.path)].append(exam)
    what = "this exam exists {} times; the first one is used"
    copies = [
        Problem.warning(f"subject {subject_id}", what.format(len(same)), "Remove the copies.")
        for subject_id, same in named.items()
        if len(same) > 1
    ]
    first = {subject_id: same[0] for subject_id, same in named.items()}
    return first, [*copies, *_of_one_person(first)]


def _of_one_person(exams: Mapping[str, _Exam]) -> list[Problem]:
    """Warn about exams of one person, which would bias scores if split between training and test."""
    of_person: dict[str, list[str]] = defaultdict(list)
    for subject_id, exam in exams.items():
        if exam.person:
            of_person[exam.person].append(f"subject {subject_id}")
    remedy = "Give them the same role in the split, unless the headers are anonymised."
    return [
        Problem.warning(", ".join(ids), f"{len(ids)} exams are of one person", remedy)
        for ids in of_person.values()
        if len(ids) > 1
    ]
