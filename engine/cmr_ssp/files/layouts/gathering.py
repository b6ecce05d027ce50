"""Shared by layouts of separate files: group files by subject, and list subjects despite faulty ones."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cmr_ssp.errors import CmrSspError, Problem
from cmr_ssp.files.formats.folders import entries, is_folder, matching
from cmr_ssp.files.formats.nifti import is_nifti, stem_of
from cmr_ssp.subjects import Subject

Parts = dict[str, Path]
"""Files of a subject by the end of their names."""


def parts_by_subject(paths: Iterable[Path], pattern: re.Pattern[str]) -> dict[str, Parts]:
    """Group NIfTI files by the groups ``id`` and ``part`` of a pattern for their stems."""
    files: dict[str, Parts] = defaultdict(dict)
    for path in paths:
        match = pattern.fullmatch(stem_of(path)) if is_nifti(path) else None
        if match:
            files[match["id"]][match["part"]] = path
    return files


def entries_and_nested_files(folder: Path, ending: str) -> list[Path]:
    """Return the entries of a folder, and the files in its subfolders that begin with their names."""
    here = entries(folder)
    own = [path for e in here if is_folder(e) for path in matching(e, f"{e.name}{ending}")]
    return [*here, *own]


def collect_subjects(
    files: Mapping[str, Parts], make_subject: Callable[[str, Parts], tuple[Subject, list[Problem]]]
) -> tuple[list[Subject], list[Problem]]:
    """Create all subjects that have frames, and collect the problems of the others."""
    subjects: list[Subject] = []
    problems: list[Problem] = []
    for name, parts in sorted(files.items()):
        try:
            subject, found = make_subject(name, parts)
        except CmrSspError as error:
            problems += error.problems
            continue
        subjects += [subject] if subject.frames else []
        problems += found
    return subjects, problems
