"""``cmr-ssp labels``: add edited labels as new versions, and list versions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cmr_ssp.anatomy import NUMBERINGS, Phase
from cmr_ssp.cli.options import Device, Shown, open_labelled
from cmr_ssp.cli.terminal import make_table
from cmr_ssp.errors import LabelError, Severity

if TYPE_CHECKING:
    from cmr_ssp.files.versions.origin import LabelVersion

_Labels = Annotated[Path, Parameter(name="--labels", help="Folder of label versions, outside of the cohort.")]
_SHOWN = 12  # characters of a digest
_COLUMNS = ("subject", "phase", "version", "frame", "origin", "from", "drawn", "made", "")


def add(
    file: Annotated[Path, Parameter(help="Edited labels: NIfTI of one or all frames, or .seg.nrrd.")],
    *,
    cohort: Annotated[Path, Parameter(help="Folder of the subjects.")],
    subject: Annotated[str, Parameter(help="Subject id.")],
    labels: _Labels,
    phase: Annotated[
        Literal["ED", "ES"] | None, Parameter(help="Phase, if the frame does not define it.")
    ] = None,
    frame: Annotated[int | None, Parameter(help="Frame from 0, if the file name does not define it.")] = None,
    corrected_from: Annotated[
        Path | None,
        Parameter(help="Run whose prediction was edited; its scores against these labels enter no mean."),
    ] = None,
    prediction: Annotated[
        Path | None,
        Parameter(help="File of the prediction before editing; by default the run segments the frame again."),
    ] = None,
    checkpoint: Annotated[
        Literal["last", "best"], Parameter(help="Checkpoint of that run which made the prediction.")
    ] = "last",
    drawn_anew: Annotated[
        bool, Parameter(negative=(), help="Drawn without a prediction or an earlier version.")
    ] = False,
    numbers: Annotated[
        Literal["mnms", "acdc"] | None, Parameter(help="Numbers in the file, if it does not define them.")
    ] = None,
    device: Device = "auto",
    terminal: Shown,
) -> None:
    """Add labels that were edited in another program as the newest version of their subject and phase.

    Nothing is overwritten, neither the cohort's own labels nor earlier versions.
    """
    from cmr_ssp.files import import_labels, import_phases, resolve_subject
    from cmr_ssp.files.versions.versions import add_version, require_apart
    from cmr_ssp.subjects import Origin

    if corrected_from and drawn_anew:
        what = "it cannot be both corrected from a run and drawn anew"
        raise LabelError.of(file, what, "Give --corrected-from or --drawn-anew.")
    listed = open_labelled(cohort, labels if labels.is_dir() else None, terminal)
    require_apart(listed, labels)
    chosen = resolve_subject(listed.subject(subject))
    numbering = NUMBERINGS[numbers] if numbers else None
    found = import_phases(
        file, chosen, phase=Phase(phase) if phase else None, frame=frame, numbering=numbering
    )
    added = []
    for named, drawing in found.items():
        if corrected_from:
            from cmr_ssp.jobs.correcting import add_correction
            from cmr_ssp.runs import Run

            before = (
                import_labels(prediction, chosen, frame=drawing.frame, numbering=numbering)
                if prediction
                else ()
            )
            version = add_correction(
                labels,
                chosen,
                named,
                drawing,
                Run(corrected_from),
                prediction=before[0] if before else None,
                device=device,
                checkpoint=checkpoint,
            )
        else:
            origin = Origin.MANUAL if drawn_anew else Origin.IMPORTED
            version = add_version(labels, chosen, named, drawing, origin=origin)
        terminal.note(f"{version.origin}, frame {version.frame} -> {version.path}")
        added.append(_described(version))
    terminal.give(added=added)


def list_labels(
    folder: Annotated[Path, Parameter(help="Folder of label versions.")], *, terminal: Shown
) -> None:
    """List label versions with their origin, and which are in use."""
    from cmr_ssp.files import list_versions
    from cmr_ssp.files.versions.versions import newest_versions

    versions, problems = list_versions(folder)
    newest = set(newest_versions(versions).values())
    rows = [(*_row(version), "in use" if version in newest else "") for version in versions]
    terminal.show(make_table(_COLUMNS, rows))
    terminal.give(versions=[_described(version) | {"in_use": version in newest} for version in versions])
    for problem in problems:
        terminal.problem(problem)
    if any(problem.severity is Severity.ERROR for problem in problems):
        sys.exit(1)


def _row(version: LabelVersion) -> tuple[str, ...]:
    drawn = " ".join(structure.name for structure in sorted(version.drawn))
    digests = " ".join(digest[:_SHOWN] for digest in version.checkpoints)
    about = (version.subject, version.phase, version.name, str(version.frame))
    return (*about, version.origin, digests, drawn, version.made)


def _described(version: LabelVersion) -> dict[str, object]:
    """Describe a version for the JSON output."""
    return {
        "subject": version.subject,
        "phase": version.phase,
        "version": version.name,
        "frame": version.frame,
        "origin": version.origin,
        "checkpoints": version.checkpoints,
        "drawn": sorted(structure.name for structure in version.drawn),
        "made": version.made,
        "file": version.path,
    }
