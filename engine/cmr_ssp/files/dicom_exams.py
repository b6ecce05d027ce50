"""DICOM as hospitals export it: a folder whose subfolders or zip archives hold one exam each.

Subjects are called as their folders, unless that may be a person's name: then ``subject-001`` and so on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.errors import CmrSspError, ImageError, Problem, Severity
from cmr_ssp.files import sunnybrook_exams
from cmr_ssp.files.dicom import DicomFolder, list_dicom, may_be_exam, open_dicom
from cmr_ssp.files.dicom.headers import read_study
from cmr_ssp.files.dicom.sources import first_dicom, is_zip, reading
from cmr_ssp.files.nifti import is_nifti
from cmr_ssp.subjects import CineStack, FrameSource, SortOptions, Subject

NAME = "DICOM exams"
EXPECTS = "one subfolder or .zip with DICOM files an exam"

_PERSONAL = re.compile(r"[\^,\s]")
_LEAST_LETTERS = 3  # of a name that a folder's name may contain


@dataclass(frozen=True, slots=True)
class _Exam:
    path: Path
    study: str
    patient: str
    names: tuple[str, ...]  # of the person; only ever compared

    @property
    def own_id(self) -> str:
        return self.path.stem if is_zip(self.path) else self.path.name


def recognises(folder: Path) -> bool:
    """Tell whether `folder` holds DICOM exams, one a subfolder or archive, or is one."""
    if is_zip(folder):
        return bool(_exams(folder))
    if any(is_nifti(entry) for entry in folder.iterdir()):
        return False
    exams = _exams(folder)
    return any(exam.study for exam in exams) and not any(
        _holds_several(exam.path) or sunnybrook_exams.recognises(exam.path)
        for exam in exams
        if exam.path != folder
    )


def list_subjects(folder: Path) -> tuple[list[Subject], list[Problem]]:
    """List the subjects in `folder` (or of one archive) by headers.

    An exam that cannot be opened is among them, with one frame that names its place.
    """
    ids, problems = _ids(folder, _exams(folder))
    subjects: list[Subject] = []
    for exam, subject_id in ids:
        try:
            stack = open_dicom(exam.path, where=f"subject {subject_id}")
        except CmrSspError as error:
            problems += error.problems
            subjects.append(Subject(subject_id, (FrameSource(exam.path, 0),)))
        else:
            subjects.append(_subject(subject_id, exam.path, stack, None))
    return subjects, problems


def is_exam(subject: Subject) -> bool:
    """Tell whether a subject is a DICOM exam."""
    return subject.place is not None and may_be_exam(subject.place)


def list_series(subject: Subject, options: SortOptions | None = None) -> DicomFolder | None:
    """List what the exam of a subject holds, as if it were sorted with `options`; None for other files.

    Parameters
    ----------
    subject : Subject
        Of a cohort, refused ones included.
    options : SortOptions, optional
        Those of the subject unless given.

    Raises
    ------
    ImageError
        Where there is no DICOM image, or the archive is damaged.
    """
    if subject.place is None or not is_exam(subject):
        return None
    return list_dicom(subject.place, options or subject.sorting, where=f"subject {subject.id}")


def sort_anew(subject: Subject, options: SortOptions) -> tuple[Subject, CineStack]:
    """Open the exam of a subject with chosen options.

    Returns
    -------
    Subject
        The same person, with the frames that the exam has now; it keeps the options.
    CineStack
        Its cine; `problems` and `alterations` say what was computed or left out.

    Raises
    ------
    ImageError
        Where these options do not make a short-axis cine of it.
    """
    path = subject.frames[0].path
    stack = open_dicom(path, options, where=f"subject {subject.id}")
    return _subject(subject.id, path, stack, options), stack


def _subject(subject_id: str, path: Path, stack: CineStack, sorting: SortOptions | None) -> Subject:
    frames = tuple(FrameSource(path, t) for t in range(stack.n_frames))
    vendor = stack.acquisition.vendor if stack.acquisition else None
    return Subject(subject_id, frames, vendor=vendor, sorting=sorting)


def _exams(folder: Path) -> list[_Exam]:
    """Return the exams in a folder; the folder itself where its files or series are one exam."""
    if is_zip(folder):
        return _exam(folder)
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    below = [exam for entry in entries if entry.is_dir() or is_zip(entry) for exam in _exam(entry)]
    loose = any(entry.is_file() and not is_zip(entry) for entry in entries)
    here = _exam(folder) if loose and not below else []
    studies = {(exam.study, exam.patient) for exam in below}
    if len(below) > 1 and len(studies) == 1 and below[0].study and all(e.path.is_dir() for e in below):
        return _exam(folder)  # a folder a series
    return below or here


def _exam(path: Path) -> list[_Exam]:
    """Read whose exam a path holds, by its first DICOM file; nothing where it has none."""
    try:
        ref = first_dicom(path)
    except ImageError:
        return [_Exam(path, "", "", ())]  # opening it will say what is wrong
    if ref is None:
        return []
    with reading() as reader:
        return [_Exam(path, *read_study(reader, ref))]


def _holds_several(path: Path) -> bool:
    """Tell whether a folder is one above exams of several people."""
    return path.is_dir() and len({exam.patient for exam in _exams(path)}) > 1


def _ids(folder: Path, exams: list[_Exam]) -> tuple[list[tuple[_Exam, str]], list[Problem]]:
    """Give each exam an id that names nobody."""
    ids: list[tuple[_Exam, str]] = []
    taken = {exam.own_id for exam in exams}
    number = 0
    for exam in exams:
        name = exam.own_id
        if _may_name_a_person(exam):
            number += 1
            while (name := f"subject-{number:03d}") in taken:
                number += 1
        ids.append((exam, name))
    if not number:
        return ids, []
    n_renamed = sum(exam.own_id != name for exam, name in ids)
    what = (
        f"{n_renamed} of {len(ids)} exams lie in folders that may be named after people; "
        "these subjects are called subject-001 and so on, in the order of the folders' names"
    )
    remedy = "Rename the folders to codes, if the subjects should keep their ids when exams are added."
    return ids, [Problem(str(folder), what, remedy, Severity.WARNING)]


def _may_name_a_person(exam: _Exam) -> bool:
    """Tell whether a folder's name looks like a person's, or holds the name or id in the exam."""
    name = exam.own_id
    if _PERSONAL.search(name) or not Subject(name, ()).names_files:
        return True
    plain = _plain(name)
    parts = [_plain(part) for text in exam.names for part in (text, *re.split(r"[\^=\s,]+", text))]
    return any(part in plain for part in parts if len(part) >= _LEAST_LETTERS) or plain in parts


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
