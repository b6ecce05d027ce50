"""Sunnybrook as distributed: DICOM images, and contours as text files in ``PATIENT/contours-manual``.

Images and contours are in two sibling folders. They are matched by the name of the patient's folder
(``SC-HF-I-1`` is ``SC-HF-I-01``), or by the columns ``PatientID`` and ``OriginalID`` of a CSV beside them.
Subject ids are the codes of the public data, or from `exam_id` for folders of any other name, which may name
a person. The RV is not labelled; ED is the frame with the larger LV.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cmr_ssp.errors import CmrSspError, ImageError, Problem
from cmr_ssp.files.dicom import exam_id, open_dicom
from cmr_ssp.files.dicom.reader import first_dicom
from cmr_ssp.files.formats.folders import entries, is_folder, matching
from cmr_ssp.files.formats.tables import nearest_table
from cmr_ssp.files.layouts.contour_labels import contour_labels
from cmr_ssp.subjects import ContourFormat, ContourSource, Subject, exam_frames

NAME = "Sunnybrook contours"
EXPECTS = "CONTOURS/PATIENT/contours-manual beside IMAGES/PATIENT with DICOM files"

_CONTOURS = "contours-manual"
_CODE = re.compile(r"SC-(HF-N?I|HYP|N)-\d{1,2}|SCD\d{7}", re.I)


def recognises(folder: Path) -> bool:
    """Return whether `folder` contains a folder of patients' contours."""
    return bool(_contour_folders(folder))


def list_subjects(folder: Path) -> tuple[list[Subject], list[Problem]]:
    """List the patients with images; contours are read to find ED and ES."""
    contours = {_key(place.parent.name): place for place in _contour_folders(folder)}
    table, problems = nearest_table(folder, "OriginalID", 0)
    aliases = {_key(row.get("PatientID", "")): _key(original) for original, row in table.items()}
    images = _image_folders(folder, contours, aliases)
    subjects: list[Subject] = []
    for key, exam in sorted(images.items()):
        try:
            subject, found = _subject(exam, contours.get(key))
        except CmrSspError as error:
            problems += error.problems
            continue
        subjects.append(subject)
        problems += found
    for key in sorted(set(contours) - set(images)):
        what = "there is no folder of DICOM images of this patient"
        remedy = "Choose the folder above images and contours, or add the table of PatientID and OriginalID."
        problems.append(Problem.warning(contours[key], what, remedy))
    return subjects, problems


def _contour_folders(folder: Path) -> list[Path]:
    return [place for place in matching(folder, f"*/*/{_CONTOURS}") if is_folder(place)]


def _image_folders(folder: Path, contours: Iterable[str], aliases: dict[str, str]) -> dict[str, Path]:
    """Return the DICOM folders by patient, if a folder has images of any patient with contours."""
    wanted = set(contours)
    found: dict[str, Path] = {}
    for top in _folders(folder):
        named = {place: aliases.get(_key(place.name), _key(place.name)) for place in _folders(top)}
        if wanted.isdisjoint(named.values()):
            continue
        for place, key in named.items():
            if _has_images(place):
                found.setdefault(key, place)
    return found


def _folders(place: Path) -> list[Path]:
    return [path for path in entries(place) if is_folder(path) and not path.name.startswith(".")]


def _has_images(place: Path) -> bool:
    try:
        return first_dicom(place) is not None
    except ImageError:
        return False


def _key(name: str) -> str:
    """Normalise a name: lower case, without zeros before numbers."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", name.casefold())


def _subject(exam: Path, contours: Path | None) -> tuple[Subject, list[Problem]]:
    name = exam.name if _CODE.fullmatch(exam.name) else exam_id(exam)
    stack = open_dicom(exam, where=f"subject {name}")
    frames = exam_frames(exam, stack.n_frames)
    vendor = stack.acquisition.vendor if stack.acquisition else None
    if contours is None:
        return Subject(name, frames, vendor=vendor), []
    labels, problems = contour_labels(ContourSource(contours, ContourFormat.SUNNYBROOK), stack)
    return Subject(name, frames, labels, vendor=vendor), problems
