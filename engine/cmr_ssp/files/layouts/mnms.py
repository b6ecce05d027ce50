"""The M&Ms layout: ``CODE/CODE_sa.nii.gz`` with 4D labels and a CSV, or ED and ES as single files.

Campello et al., IEEE TMI 2021: 1 = LV, 2 = MYO, 3 = RV. The CSV counts frames from 0, with errors;
`cmr_ssp.files.labels.phases` checks it against the label pixels.
"""

from __future__ import annotations

import re
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS, Phase
from cmr_ssp.errors import Problem
from cmr_ssp.files.formats.folders import entries, is_folder, is_regular
from cmr_ssp.files.formats.nifti import is_nifti, read_header, stem_of
from cmr_ssp.files.formats.tables import Row, nearest_table, whole_number
from cmr_ssp.files.labels.phases import find_phases, in_phase_order, label_sources
from cmr_ssp.files.layouts.gathering import (
    Parts,
    collect_subjects,
    entries_and_nested_files,
    parts_by_subject,
)
from cmr_ssp.subjects import FrameSource, LabelSource, Subject, VolumeSource, file_frames

NAME = "M&Ms"
EXPECTS = "CODE/CODE_sa.nii.gz with CODE_sa_gt.nii.gz and a CSV, or CODE_sa_ED.nii.gz and CODE_sa_ES.nii.gz"

_FILE = re.compile(r"(?P<id>.+)_sa(?P<part>|_gt|_E[DS]|_E[DS]_gt)")
_VENDORS = {"A": "Siemens", "B": "Philips", "C": "GE", "D": "Canon"}
KEY = "External code"
_CSV_LEVELS = 3
_NUMBERING = NUMBERINGS["mnms"]


def recognises(folder: Path) -> bool:
    """Return whether `folder` contains M&Ms files, or subject folders with such files."""
    found = entries(folder)
    if any(_part(entry) in ("", "_ED", "_ES") for entry in found):
        return True
    return any(_is_subject(entry) for entry in found if is_folder(entry))


def _part(path: Path) -> str | None:
    match = _FILE.fullmatch(stem_of(path)) if is_nifti(path) else None
    return match["part"] if match else None


def _is_subject(folder: Path) -> bool:
    parts = ("", "_ED", "_ES")
    return any(
        is_regular(folder / f"{folder.name}_sa{part}{end}") for part in parts for end in (".nii.gz", ".nii")
    )


def list_subjects(folder: Path) -> tuple[list[Subject], list[Problem]]:
    """List the subjects in `folder` by names, headers and CSV."""
    rows, problems = nearest_table(folder, KEY, _CSV_LEVELS)
    files = _files(folder)
    if not rows and any("_gt" in parts for parts in files.values()):
        what = f"no CSV with a column '{KEY}' here or above: vendors unknown, phases from the labels"
        problems.append(Problem.warning(folder, what, "Copy the data set's CSV here."))
    subjects, found = collect_subjects(files, lambda name, parts: _subject(name, parts, rows.get(name, {})))
    return subjects, problems + found


def _files(folder: Path) -> dict[str, Parts]:
    """Group the files by code: those in `folder` itself and in folders named by a code."""
    return parts_by_subject(entries_and_nested_files(folder, "_sa*"), _FILE)


def _subject(code: str, parts: Parts, row: Row) -> tuple[Subject, list[Problem]]:
    frames, labels, problems = _cine(parts, row) if "" in parts else _single_files(code, parts)
    vendor = row.get("VendorName") or _VENDORS.get(row.get("Vendor", ""))
    group = row.get("Pathology") or None
    return Subject(code, tuple(frames), tuple(in_phase_order(labels)), vendor, group), problems


def _cine(parts: Parts, row: Row) -> tuple[list[FrameSource], list[LabelSource], list[Problem]]:
    """Return frames and labels of a 4D cine with 4D labels."""
    n_frames = read_header(parts[""]).shape[0]
    frames = list(file_frames(parts[""], n_frames))
    if "_gt" not in parts:
        return frames, [], []
    stated = {phase: whole_number(row.get(phase, "")) for phase in Phase}
    claimed = {phase: frame for phase, frame in stated.items() if frame is not None}
    problems: list[Problem] = []
    if len(set(claimed.values())) < len(Phase) or max(claimed.values()) >= n_frames:
        claimed, problems = find_phases(parts["_gt"], claimed)
    return frames, label_sources(parts["_gt"], claimed, _NUMBERING), problems


def _single_files(code: str, parts: Parts) -> tuple[list[VolumeSource], list[LabelSource], list[Problem]]:
    """Return frames and labels of separate ED and ES volumes."""
    frames: list[VolumeSource] = []
    labels: list[LabelSource] = []
    problems: list[Problem] = []
    for phase in Phase:
        image, label = parts.get(f"_{phase}"), parts.get(f"_{phase}_gt")
        if image is None and label is not None:
            what = f"it labels {phase} of {code}, which has no image"
            problems.append(Problem(str(label), what, "Add the image or remove the label."))
        if image is not None and label is not None:
            labels.append(LabelSource(phase, len(frames), VolumeSource(label), _NUMBERING))
        if image is not None:
            frames.append(VolumeSource(image))
    return frames, labels, problems
