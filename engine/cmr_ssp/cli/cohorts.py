"""``cmr-ssp cohort``: look at a folder of subjects, and split it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.table import Table

from cmr_ssp.cli.options import Folder, require_replaceable
from cmr_ssp.cli.progress import show_problem
from cmr_ssp.errors import CohortError, Severity
from cmr_ssp.files import check_pixels, open_cohort
from cmr_ssp.subjects import Cohort, Split

_SHARE = Number(gte=0, lte=1)


def check(
    folder: Folder,
    *,
    headers_only: Annotated[bool, Parameter(negative=(), help="Do not read any pixels.")] = False,
) -> None:
    """List subjects, labelled phases, vendors and everything that is wrong.

    Ends with code 0 only where the cohort is usable as it is.
    """
    console = Console(highlight=False)
    cohort = open_cohort(folder)
    console.print(_table(cohort))
    n_labelled = sum(bool(subject.labels) for subject in cohort.subjects)
    console.print(f"{cohort.layout}: {len(cohort.subjects)} subjects, {n_labelled} of them labelled")
    problems = list(cohort.problems)
    if not headers_only:
        with console.status("reading every image and label ..."):
            problems += check_pixels(cohort)
    for problem in problems:
        show_problem(console, problem)
    if not cohort.subjects or any(problem.severity is Severity.ERROR for problem in problems):
        sys.exit(1)
    console.print("usable")


def split(
    folder: Folder,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="YAML file to write.")],
    test: Annotated[
        float, Parameter(help="Share of the labelled subjects to lock away.", validator=_SHARE)
    ] = 0.25,
    validation: Annotated[
        float, Parameter(help="Share that chooses the best checkpoint.", validator=_SHARE)
    ] = 0.0,
    seed: Annotated[int, Parameter(help="Of the draw.")] = 0,
    published: Annotated[
        bool,
        Parameter(negative=(), help="The paper's 296, 74 and 140 subjects, from M&Ms' and M&Ms-2's tables."),
    ] = False,
    authors_yaml: Annotated[
        Path | None, Parameter(help="Take the roles from a split file of the paper's authors.")
    ] = None,
    for_authors: Annotated[
        bool, Parameter(negative=(), help="Write the file in the form of the paper's authors.")
    ] = False,
) -> None:
    """Draw training, validation and test subjects, stratified by diagnostic group or else vendor."""
    from cmr_ssp.subjects import Role
    from cmr_ssp.subjects.published_split import write_authors_split
    from cmr_ssp.subjects.split import draw_split
    from cmr_ssp.subjects.split_file import write_split

    if published and authors_yaml:
        what = "both say who gets which role"
        raise CohortError.of("--published and --authors-yaml", what, "Give one of them.")
    require_replaceable(output, '"test":' if for_authors else "seed:")
    if published or authors_yaml:
        drawn = _known(folder, authors_yaml)
    else:
        drawn = draw_split(open_cohort(folder).subjects, test=test, validation=validation, seed=seed)
    (write_authors_split if for_authors else write_split)(output, drawn)
    counts = ", ".join(f"{len(drawn.ids(role))} {role}" for role in Role)
    Console(highlight=False).print(f"{counts} -> {output}")


def _known(folder: Path, authors_yaml: Path | None) -> Split:
    """Return the roles that the authors gave, and say whom the folder lacks."""
    from cmr_ssp.files.published import published_split_of
    from cmr_ssp.subjects.published_split import read_authors_split

    known = read_authors_split(authors_yaml) if authors_yaml else published_split_of(folder)
    lacking = set(known.roles) - {subject.id for subject in open_cohort(folder).subjects}
    if lacking:
        Console(highlight=False).print(f"{len(lacking)} of these subjects are not in {folder}")
    return known


def _table(cohort: Cohort) -> Table:
    table = Table("subject", "frames", "labelled", "vendor", "group", title=str(cohort.root))
    for subject in cohort.subjects:
        labelled = " ".join(
            f"{label.phase}@{'?' if label.drawn_on else label.frame}" for label in subject.labels
        )
        table.add_row(
            subject.id, str(len(subject.frames)), labelled or "-", subject.vendor or "-", subject.group or "-"
        )
    return table
