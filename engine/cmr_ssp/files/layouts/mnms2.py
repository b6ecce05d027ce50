"""The M&Ms-2 layout: ``NNN/NNN_SA_CINE.nii.gz`` with separate ED and ES volumes, and their labels.

Martin-Isla et al., IEEE JBHI 2023: 1 = LV, 2 = MYO, 3 = RV. The frames of ED and ES in the cine are not
stored: `cmr_ssp.files.labels.placing` finds them by comparison. Long-axis files (``NNN_LA_...``) are ignored.
"""

from __future__ import annotations

import re
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS, Phase
from cmr_ssp.errors import Problem
from cmr_ssp.files.formats.folders import entries, matching
from cmr_ssp.files.formats.nifti import is_nifti, read_header, stem_of
from cmr_ssp.files.formats.tables import Row, nearest_table
from cmr_ssp.files.layouts.gathering import (
    Parts,
    collect_subjects,
    entries_and_nested_files,
    parts_by_subject,
)
from cmr_ssp.subjects import ImageSource, LabelSource, Subject, VolumeSource, file_frames

NAME = "M&Ms-2"
EXPECTS = "NNN/NNN_SA_CINE.nii.gz with NNN_SA_ED.nii.gz, NNN_SA_ES.nii.gz and their _gt files"

KEY = "SUBJECT_CODE"

_FILE = re.compile(r"(?P<id>.+)_SA_(?P<part>CINE|E[DS]|E[DS]_gt)")
_VENDORS = {"SIEMENS": "Siemens", "PHILIPS": "Philips", "GE": "GE"}
_CSV_LEVELS = 3
_NUMBERING = NUMBERINGS["mnms"]


def recognises(folder: Path) -> bool:
    """Return whether `folder` contains M&Ms-2 files, or subject folders with such files."""
    for entry in entries(folder):
        if is_nifti(entry):
            if _FILE.fullmatch(stem_of(entry)):
                return True
        elif any(_FILE.fullmatch(stem_of(path)) for path in matching(entry, f"{entry.name}_SA_*.nii*")):
            return True
    return False


def list_subjects(folder: Path) -> tuple[list[Subject], list[Problem]]:
    """List the subjects in `folder` by names, headers and ``dataset_information.csv``.

    The frames of their labels are unknown until `cmr_ssp.files.resolve_subject` compares the pixels.
    """
    table, problems = nearest_table(folder, KEY, _CSV_LEVELS)
    rows = {code.zfill(3): row for code, row in table.items()}
    if not rows:
        what = f"no CSV with a column '{KEY}' here or above: vendors and diseases unknown"
        problems.append(Problem.warning(folder, what, "Copy dataset_information.csv here."))
    subjects, found = collect_subjects(
        _files(folder), lambda name, parts: _subject(name, parts, rows.get(name, {}))
    )
    return subjects, problems + found


def _files(folder: Path) -> dict[str, Parts]:
    """Group the files by code: those in `folder` itself and in folders named by a code."""
    return parts_by_subject(entries_and_nested_files(folder, "_SA_*"), _FILE)


def _subject(code: str, parts: Parts, row: Row) -> tuple[Subject, list[Problem]]:
    n_frames = read_header(parts["CINE"]).shape[0] if "CINE" in parts else 0
    has_cine = n_frames > 1
    phases = [phase for phase in Phase if phase in parts]
    if has_cine:
        frames: tuple[ImageSource, ...] = file_frames(parts["CINE"], n_frames)
    else:
        frames = tuple(VolumeSource(parts[phase]) for phase in phases)
    labels: list[LabelSource] = []
    problems: list[Problem] = []
    for guess, phase in enumerate(phases):
        if label := parts.get(f"{phase}_gt"):
            image = parts[phase] if has_cine else None
            labels.append(LabelSource(phase, guess, VolumeSource(label), _NUMBERING, image))
    for phase in Phase:
        if f"{phase}_gt" in parts and phase not in parts:
            what = f"it labels {phase} of {code}, which has no image"
            problems.append(Problem(str(parts[f"{phase}_gt"]), what, "Add the image or remove the label."))
    group = row.get("DISEASE") or None
    return Subject(code, frames, tuple(labels), _vendor(row), group), problems


def _vendor(row: Row) -> str | None:
    """Shorten the manufacturer names of scanners: ``GE MEDICAL SYSTEMS``, ``Philips Medical Systems``."""
    stated = row.get("VENDOR", "")
    words = stated.upper().split()
    return _VENDORS.get(words[0], stated) if words else None
