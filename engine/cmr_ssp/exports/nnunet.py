"""Export a cohort as raw data set of nnU-Net (version 2), with one case per labelled phase.

The folds of ``splits_final.json`` keep the phases of each subject together; the random folds of nnU-Net would
train on ED and validate on ES of the same subject. nnU-Net reads the file from its preprocessed folder.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.atomic import write_text
from cmr_ssp.errors import CmrSspError, OutputError, Problem
from cmr_ssp.events import Progress, ignore_progress
from cmr_ssp.exports.corrections import Corrections, read_corrections
from cmr_ssp.exports.nnunet_cases import Case, CaseNames, cases_of, dataset_json, folds
from cmr_ssp.files import open_stack, read_segmentation, resolve_subject, write_segmentation
from cmr_ssp.files.labels.writing import write_image
from cmr_ssp.made_folder import MadeFolder
from cmr_ssp.subjects import Cohort, ResolvedSubject, Segmentation, Split, Subject

_KEY_COLUMNS = ("case", "subject", "phase")
KEY_BEGINS = ",".join(_KEY_COLUMNS) + "\n"
"""Start of every table of `NnunetExport.key_csv`."""

_ENDING = ".nii.gz"
_EXPORT = MadeFolder(
    "export.txt",
    "cmr-ssp export-cohort",
    "export",
    "Choose another folder, number or name, or remove the files yourself.",
)


@dataclass(frozen=True, slots=True)
class NnunetExport:
    """Folder and cases of a written data set, and the phases that were left out or corrected."""

    folder: Path
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]

    def key_csv(self) -> str:
        """Return the table that says which subject and phase each case is."""
        text = io.StringIO()
        rows = ((case.name, case.subject, case.phase) for case in self.cases)
        csv.writer(text, lineterminator="\n").writerows([_KEY_COLUMNS, *rows])
        return text.getvalue()


def export_nnunet(
    cohort: Cohort,
    folder: Path,
    *,
    number: int = 1,
    name: str = "CMR",
    split: Split | None = None,
    case_names: CaseNames = CaseNames.PSEUDONYMS,
    corrected: Path | None = None,
    replace: bool = False,
    on_progress: Progress = ignore_progress,
) -> NnunetExport:
    """Write ``DatasetNNN_Name`` with images, labels and ``dataset.json``.

    Parameters
    ----------
    cohort : Cohort
        Its labelled phases become cases. Structures without any label do not become classes. Phases that lack
        a structure of other phases are left out, since nnU-Net would train on it as background.
    folder : Path
        Parent folder of the data set, usually ``nnUNet_raw``.
    number, name : int, str
        Number of the data set, 1 to 999, and its name of letters and digits.
    split : Split, optional
        Its test subjects go to ``imagesTs`` and ``labelsTs``.
    case_names : CaseNames
        ``subject001_ED``, counted in the order of ids, or ``<id>_ED``.
    corrected : Path, optional
        Folder of labels that replace those of the cohort, see `read_corrections`.
    replace : bool
        Replace an earlier export if it is unchanged (`export.txt` lists its files).
    on_progress : callable, optional
        Called with the number of finished subjects and the total.

    Returns
    -------
    NnunetExport
        The cases with their subject ids; do not store them with a pseudonymous data set.

    Raises
    ------
    OutputError
        If there is nothing to export, or other or changed files are in the way; nothing is changed then.
    LabelError
        If a corrected label cannot be used, or there is none.
    """
    target = folder / f"Dataset{number:03d}_{name}"
    _check_names(target, number, name, cohort)
    _require_free(target, cohort, replace=replace)
    subjects, problems = _resolved(cohort.subjects)
    corrections = read_corrections(subjects, corrected) if corrected else {}
    complete, structures, wrong = _complete(subjects, corrections)
    problems += wrong
    cases = cases_of(complete, split, case_names)
    if all(case.is_test for case in cases):
        what = "no labelled phase is left to train on"
        raise OutputError.of(target, what, "Label some, or change the split.")
    with _staged(target) as staging:
        for done, subject in enumerate(subjects, start=1):
            mine = [case for case in cases if case.subject == subject.id]
            _write_subject(staging, subject, mine, corrections, structures)
            on_progress(done, len(subjects))
        write_text(staging / "dataset.json", dataset_json(name, structures, cases) + "\n")
        write_text(staging / "splits_final.json", json.dumps(folds(cases), indent=1) + "\n")
    return NnunetExport(target, cases, tuple(problems))


def _require_free(target: Path, cohort: Cohort, *, replace: bool) -> None:
    """Refuse to replace sources and anything but earlier exports, before anything is read or written."""
    if not replace and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError.of(target, "it exists already", "Choose another folder, or use --replace.")
    _EXPORT.require_own(target)
    inside = target.resolve()
    sources = [frame.path for subject in cohort.subjects for frame in subject.frames]
    sources += [label.source.path for subject in cohort.subjects for label in subject.labels]
    if any(inside in source.resolve().parents for source in sources):
        raise OutputError.of(target, "it contains files of the cohort", "Choose another folder.")


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces the target when the block succeeds."""
    staging = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield staging
        _EXPORT.write_list(staging, [staging])
        _EXPORT.clear(target)
        if target.exists():
            target.rmdir()
        staging.rename(target)
    except OSError as error:
        what = f"it cannot be written ({error.strerror})"
        raise OutputError.of(target, what, "Choose another folder.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_names(target: Path, number: int, name: str, cohort: Cohort) -> None:
    """Check number, name and subject ids against the naming rules of nnU-Net."""
    if not (1 <= number <= 999 and name.isalnum() and name.isascii()):
        remedy = "Use a number from 1 to 999, and a name of letters and digits."
        raise OutputError.of(target, "it is not a valid data set name of nnU-Net", remedy)
    strange = [subject.id for subject in cohort.subjects if not subject.names_files]
    if strange:
        what = f"the subject id '{strange[0]}' cannot be part of a file name"
        raise OutputError.of(target, what, "Use letters, digits, '-' and '_' in subject ids.")


def _resolved(subjects: Sequence[Subject]) -> tuple[list[ResolvedSubject], list[Problem]]:
    """Resolve all subjects; return those whose labels can be read, and all problems."""
    resolved: list[ResolvedSubject] = []
    problems: list[Problem] = []
    for subject in subjects:
        try:
            found = resolve_subject(subject)
        except CmrSspError as error:
            problems += error.problems
        else:
            resolved.append(found)
            problems += found.problems
    return resolved, problems


def _complete(
    subjects: Sequence[ResolvedSubject], corrections: Corrections
) -> tuple[set[tuple[str, Phase]], list[Structure], list[Problem]]:
    """Return the phases with labels of every structure in the cohort, these structures, and the problems."""
    drawn, problems = _drawn(subjects, corrections)
    structures = sorted({structure for found in drawn.values() for structure in found})
    complete = {key for key, found in drawn.items() if len(found) == len(structures)}
    problems += [_left_out(key, structures, drawn[key]) for key in sorted(set(drawn) - complete)]
    return complete, structures, problems


def _drawn(
    subjects: Sequence[ResolvedSubject], corrections: Corrections
) -> tuple[dict[tuple[str, Phase], frozenset[Structure]], list[Problem]]:
    """Read which structures are labelled in each labelled phase."""
    drawn: dict[tuple[str, Phase], frozenset[Structure]] = {}
    problems: list[Problem] = []
    for subject in subjects:
        for phase in sorted(subject.phases):
            try:
                found = _labels(subject, phase, corrections).drawn
            except CmrSspError as error:
                problems += error.problems
                continue
            if found:
                drawn[subject.id, phase] = found
    return drawn, problems


def _labels(subject: ResolvedSubject, phase: Phase, corrections: Corrections) -> Segmentation:
    return corrections.get((subject.id, phase)) or read_segmentation(subject, phase)


def _left_out(
    key: tuple[str, Phase], structures: Sequence[Structure], drawn: frozenset[Structure]
) -> Problem:
    lacking = ", ".join(structure.name for structure in structures if structure not in drawn)
    what = f"{lacking} is not labelled at {key[1]}; the phase is left out"
    return Problem.warning(f"subject {key[0]}", what, "Label it, or remove it from all subjects.")


def _files(target: Path, case: Case) -> tuple[Path, Path]:
    kind = "Ts" if case.is_test else "Tr"
    image = target / f"images{kind}" / f"{case.name}_0000{_ENDING}"
    return image, target / f"labels{kind}" / f"{case.name}{_ENDING}"


def _write_subject(
    target: Path,
    subject: ResolvedSubject,
    cases: Sequence[Case],
    corrections: Corrections,
    structures: Sequence[Structure],
) -> None:
    if not cases:
        return
    numbering = dict(enumerate(structures, start=1))
    stack = open_stack(subject)
    pixels = stack.load()
    for case in cases:
        found = _labels(subject, case.phase, corrections)
        image, labels = _files(target, case)
        write_image(image, pixels[found.frame], stack)
        write_segmentation(labels, found.labels, stack, numbering, replace=True)  # into the staging folder
