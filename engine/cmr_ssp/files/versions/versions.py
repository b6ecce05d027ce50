"""A folder of label versions, ``SUBJECT/PHASE/vNNN.nii.gz`` with metadata; nothing is overwritten.

The user chooses the folder, outside of the cohort. ``v000`` is the unedited prediction of the first
correction of a phase, never used as labels.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cmr_ssp.anatomy import Phase
from cmr_ssp.atomic import write_text
from cmr_ssp.errors import CmrSspError, CohortError, LabelError, OutputError, Problem, Severity
from cmr_ssp.files.cohorts import header_problems, subfolders
from cmr_ssp.files.formats.nifti import read_header
from cmr_ssp.files.labels.phases import in_phase_order
from cmr_ssp.files.labels.resolving import resolve_subject
from cmr_ssp.files.labels.writing import write_segmentation, written_numbering
from cmr_ssp.files.stacks import open_stack
from cmr_ssp.files.versions.origin import (
    ContourTitles,
    LabelVersion,
    metadata_path,
    metadata_text,
    name_of,
    read_metadata,
)
from cmr_ssp.locking import holding
from cmr_ssp.subjects import Cohort, LabelSource, Origin, Segmentation, Subject, VolumeSource, same_affine

_LOCK = ".lock"
_PATIENCE_S = 10.0
_FILE = re.compile(r"v(\d{3,6})\.(?:json|nii\.gz)")


def add_version(
    folder: Path,
    subject: Subject,
    phase: Phase,
    labels: Segmentation,
    *,
    origin: Origin,
    checkpoint: str = "",
    prediction: Segmentation | None = None,
    states: ContourTitles | None = None,
) -> LabelVersion:
    """Write labels as the newest version of a subject and phase.

    Parameters
    ----------
    folder : Path
        Label folder; created if missing.
    subject, phase : Subject, Phase
        Subject and phase of the labels.
    labels : Segmentation
        On the grid of the subject's cine.
    origin : Origin
        ``IMPORTED``, ``CORRECTED``, or ``MANUAL`` if drawn without a prediction or earlier version. Labels
        that are not manual inherit the lineage of the previous version, since editing a correction still
        corrects the same run.
    checkpoint : str
        SHA-256 of the checkpoint of the corrected prediction.
    prediction : Segmentation, optional
        The corrected prediction, at the same frame. The first one of a phase is stored as ``v000``.
    states : Mapping of str to tuple of str, optional
        State of the contour in each slice by structure, stored beside the labels.

    Raises
    ------
    LabelError
        If the labels are empty, or a correction has no checkpoint or prediction.
    OutputError
        If it cannot be written.
    """
    if not subject.names_files:
        raise CohortError.of(f"'{subject.id}'", "cannot be a folder's name", "Use letters and digits in ids.")
    where = f"labels of {subject.id} at {phase}"
    if not labels.drawn:
        raise LabelError.of(where, "they have no voxel", "Draw labels, or keep the existing ones.")
    before, damaged = _versions_of(folder / subject.id, subject.id, phase)
    if damaged:
        raise LabelError(*damaged)
    if origin not in (Origin.MANUAL, Origin.IMPORTED, Origin.CORRECTED) or (
        bool(checkpoint) != (origin is Origin.CORRECTED)
    ):
        remedy = "Give a checkpoint for corrected labels only."
        raise LabelError.of(where, f"{origin} labels and a checkpoint do not agree", remedy)
    if checkpoint and not any(version.number == 0 for version in before):
        if prediction is None or prediction.frame != labels.frame:
            what = f"the corrected prediction of frame {labels.frame} is missing"
            raise LabelError.of(where, what, "Give it: it is stored beside the labels.")
        _write(folder, subject, phase, prediction, Origin.PREDICTED, (checkpoint,), None)
    newest = next((version for version in reversed(before) if version.number), None)
    inherited = newest.checkpoints if newest and origin is not Origin.MANUAL else ()
    checkpoints = tuple(dict.fromkeys([*([checkpoint] if checkpoint else []), *inherited]))
    true_origin = Origin.CORRECTED if checkpoints else origin
    return _write(folder, subject, phase, labels, true_origin, checkpoints, newest, states)


def list_versions(
    folder: Path, subjects: Collection[str] | None = None
) -> tuple[tuple[LabelVersion, ...], tuple[Problem, ...]]:
    """List all versions in a label folder by subject, phase and number, and its problems.

    Parameters
    ----------
    folder : Path
        The label folder.
    subjects : collection of str, optional
        Ids of the only subjects to list.

    Raises
    ------
    LabelError
        If the folder does not exist.
    """
    if not folder.is_dir():
        raise LabelError.of(folder, "the folder does not exist", "Choose a folder of label versions.")
    found: list[LabelVersion] = []
    problems: list[Problem] = []
    for place in subfolders(folder):
        for phase in Phase if subjects is None or place.name in subjects else ():
            versions, damaged = _versions_of(place, place.name, phase)
            found += versions
            problems += damaged
    return tuple(found), tuple(problems)


def newest_versions(versions: tuple[LabelVersion, ...]) -> dict[tuple[str, Phase], LabelVersion]:
    """Return the newest version of each subject and phase, without stored predictions."""
    return {(version.subject, version.phase): version for version in versions if version.number}


def with_label_versions(cohort: Cohort, folder: Path) -> Cohort:
    """Replace or complete the labels of a cohort by the newest versions.

    A subject whose newest version is damaged or belongs to another cine is left out with a problem, rather
    than silently using older labels.

    Parameters
    ----------
    cohort : Cohort
        As listed.
    folder : Path
        The label folder.

    Returns
    -------
    Cohort
        The same subjects, with all problems.

    Raises
    ------
    LabelError
        If the folder does not exist.
    """
    versions, damaged = list_versions(folder)
    newest = newest_versions(versions)
    problems = list(damaged)
    subjects: list[Subject] = []
    refused = list(cohort.refused)
    for subject in cohort.subjects:
        mine = [newest[subject.id, phase] for phase in Phase if (subject.id, phase) in newest]
        place = folder / subject.id
        wrong = [problem for problem in damaged if place in Path(problem.where).parents]
        if mine and not wrong:
            subject, wrong = _with_versions(subject, mine)
            problems += wrong
        usable = not any(problem.severity is Severity.ERROR for problem in wrong)
        (subjects if usable else refused).append(subject)
    strangers = sorted({version.subject for version in versions} - {s.id for s in cohort.subjects})
    if strangers:
        listed = ", ".join(strangers[:5]) + " ..." * (len(strangers) > 5)
        what = f"it contains labels of subjects that are not in this cohort ({listed})"
        problems.append(Problem.warning(folder, what, "Check that it is right."))
    every = tuple(dict.fromkeys((*cohort.problems, *problems)))
    return replace(cohort, subjects=tuple(subjects), problems=every, refused=tuple(refused))


def require_apart(cohort: Cohort, folder: Path) -> None:
    """Check that a label folder is outside the cohort, which would list it as subjects.

    Raises
    ------
    OutputError
        If it is inside.
    """
    if folder.resolve().is_relative_to(cohort.root.resolve()):
        what = "it is inside the cohort, and would be listed with its images"
        raise OutputError.of(folder, what, "Choose another folder.")


def _with_versions(subject: Subject, versions: list[LabelVersion]) -> tuple[Subject, list[Problem]]:
    try:
        affine = open_stack(subject).grid.affine
        sources = [_source(version, affine) for version in versions]
        replaced = {source.phase for source in sources}
        kept = [label for label in subject.labels if label.phase not in replaced]
        subject = replace(subject, labels=tuple(in_phase_order([*kept, *sources])))
        if any(label.drawn_on for label in kept):  # an unknown frame could equal that of a version
            subject = resolve_subject(subject)
        return subject, header_problems(subject)
    except CmrSspError as error:
        return subject, list(error.problems)


def _source(version: LabelVersion, affine: np.ndarray) -> LabelSource:
    numbering = written_numbering(version.path)
    if numbering is None:
        what = "it is not a label version of this program"
        raise LabelError.of(version.path, what, "Add labels with `cmr-ssp labels add`.")
    if not same_affine(read_header(version.path).affine, affine):
        what = f"its grid is not that of the cine of {version.subject}: it was drawn on another cine"
        raise LabelError.of(version.path, what, "Choose the label folder of this cohort.")
    return LabelSource(
        version.phase,
        version.frame,
        VolumeSource(version.path),
        numbering,
        origin=version.origin,
        corrected_from=version.checkpoints,
    )


def _versions_of(place: Path, subject: str, phase: Phase) -> tuple[list[LabelVersion], list[Problem]]:
    """Read the versions of one phase in a subject's folder; files without metadata are incomplete."""
    folder = place / phase
    versions: list[LabelVersion] = []
    problems: list[Problem] = []
    matches = [_FILE.fullmatch(path.name) for path in folder.glob("*.json")]
    for number in sorted({int(match[1]) for match in matches if match}):
        try:
            versions.append(read_metadata(subject, phase, number, folder / f"{name_of(number)}.nii.gz"))
        except LabelError as error:
            problems += error.problems
    return versions, problems


def _write(
    folder: Path,
    subject: Subject,
    phase: Phase,
    labels: Segmentation,
    origin: Origin,
    checkpoints: tuple[str, ...],
    before: LabelVersion | None,
    states: ContourTitles | None = None,
) -> LabelVersion:
    """Write labels, then the metadata that makes them a version."""
    place = folder / subject.id / phase
    with _claimed(place, 0 if origin is Origin.PREDICTED else None) as number:
        path = place / f"{name_of(number)}.nii.gz"
        version = LabelVersion(
            subject.id,
            phase,
            number,
            path,
            labels.frame,
            origin,
            checkpoints,
            labels.drawn,
            before.number if before else None,
            datetime.now(UTC).isoformat(timespec="seconds"),
            states or {},
        )
        write_segmentation(path, labels.labels, open_stack(subject))
        write_text(metadata_path(path), metadata_text(version))
    return version


@contextmanager
def _claimed(place: Path, wanted: int | None) -> Iterator[int]:
    """Reserve and yield a version number, by default the next one."""
    remedy = "Try again when it has ended."
    busy = OutputError.of(place, "another program is writing labels here", remedy)
    with holding(place / _LOCK, busy, _PATIENCE_S):
        taken = {int(match[1]) for path in place.iterdir() if (match := _FILE.fullmatch(path.name))}
        number = wanted if wanted is not None else max(taken | {0}) + 1
        written = sorted(place.glob(f"{name_of(number)}.*"))  # left by a process that was killed
        if written:
            raise OutputError.of(written[0], "it exists already", "Move it away, or try again.")
        yield number
