"""``cmr-ssp cohort``: check a folder of subjects, and split it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from cmr_ssp.cli.options import Folder, Shown, require_replaceable
from cmr_ssp.cli.terminal import Terminal, make_table
from cmr_ssp.errors import CohortError, Severity

if TYPE_CHECKING:
    from cmr_ssp.subjects import Split, Subject

_SHARE = Number(gte=0, lte=1)
_COLUMNS = ("subject", "frames", "labelled", "vendor", "group")


def check(
    folder: Folder,
    *,
    headers_only: Annotated[bool, Parameter(negative=(), help="Do not read any pixels.")] = False,
    terminal: Shown,
) -> None:
    """List subjects, labelled phases, vendors and all problems.

    The exit code is 0 only if the cohort is usable as it is.
    """
    from cmr_ssp.files import check_pixels, open_cohort

    cohort = open_cohort(folder)
    terminal.show(make_table(_COLUMNS, map(_row, cohort.subjects), str(cohort.root)))
    n_labelled = sum(bool(subject.labels) for subject in cohort.subjects)
    terminal.show(f"{cohort.layout}: {len(cohort.subjects)} subjects, {n_labelled} of them labelled")
    problems = list(cohort.problems)
    if not headers_only:
        with terminal.console.status("reading all images and labels ..."):
            problems += check_pixels(cohort)
    for problem in problems:
        terminal.problem(problem)
    usable = bool(cohort.subjects) and not any(p.severity is Severity.ERROR for p in problems)
    terminal.give(
        root=cohort.root,
        layout=cohort.layout,
        subjects=[_described(subject) for subject in cohort.subjects],
        usable=usable,
    )
    if not usable:
        sys.exit(1)
    terminal.show("usable")


def split(
    folder: Folder,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="YAML file to write.")],
    test: Annotated[
        float, Parameter(help="Fraction of the labelled subjects to hold out for testing.", validator=_SHARE)
    ] = 0.25,
    validation: Annotated[
        float,
        Parameter(help="Fraction of the labelled subjects to choose the best checkpoint.", validator=_SHARE),
    ] = 0.0,
    seed: Annotated[int, Parameter(help="Random seed of the draw.")] = 0,
    published: Annotated[
        bool,
        Parameter(
            negative=(), help="The paper's 296, 74 and 140 subjects, from the tables of M&Ms and M&Ms-2."
        ),
    ] = False,
    authors_yaml: Annotated[
        Path | None, Parameter(help="Read the roles from a split file of the paper's authors.")
    ] = None,
    for_authors: Annotated[
        bool, Parameter(negative=(), help="Write the file in the format of the paper's authors.")
    ] = False,
    terminal: Shown,
) -> None:
    """Draw training, validation and test subjects, stratified by diagnostic group or else by vendor."""
    from cmr_ssp.files import open_cohort
    from cmr_ssp.subjects import Role
    from cmr_ssp.subjects.published_split import write_authors_split
    from cmr_ssp.subjects.split import draw_split
    from cmr_ssp.subjects.split_file import write_split

    if published and authors_yaml:
        what = "both define the roles"
        raise CohortError.of("--published and --authors-yaml", what, "Use only one of them.")
    require_replaceable(output, '"test":' if for_authors else "seed:")
    if published or authors_yaml:
        drawn = _known(folder, authors_yaml, terminal)
    else:
        drawn = draw_split(open_cohort(folder).subjects, test=test, validation=validation, seed=seed)
    (write_authors_split if for_authors else write_split)(output, drawn)
    counts = ", ".join(f"{len(drawn.ids(role))} {role}" for role in Role)
    terminal.note(f"{counts} -> {output}")
    terminal.give(written=output, **{role.value: drawn.ids(role) for role in Role})


def _known(folder: Path, authors_yaml: Path | None, terminal: Terminal) -> Split:
    """Return the split of the authors; print how many of its subjects are missing in the folder."""
    from cmr_ssp.files import open_cohort
    from cmr_ssp.files.layouts.published import published_split_of
    from cmr_ssp.subjects.published_split import read_authors_split

    known = read_authors_split(authors_yaml) if authors_yaml else published_split_of(folder)
    lacking = set(known.roles) - {subject.id for subject in open_cohort(folder).subjects}
    if lacking:
        terminal.note(f"{len(lacking)} of these subjects are not in {folder}")
    return known


def _row(subject: Subject) -> tuple[str, ...]:
    frames = {label.phase: label.stated_frame for label in subject.labels}
    labelled = " ".join(f"{phase}@{'?' if frame is None else frame}" for phase, frame in frames.items())
    about = (subject.vendor or "-", subject.group or "-")
    return (subject.id, str(len(subject.frames)), labelled or "-", *about)


def _described(subject: Subject) -> dict[str, Any]:
    """Describe a subject for the JSON output; the frame is null if only the pixels define it."""
    return {
        "id": subject.id,
        "frames": len(subject.frames),
        "labelled": {str(label.phase): label.stated_frame for label in subject.labels},
        "vendor": subject.vendor,
        "group": subject.group,
    }
