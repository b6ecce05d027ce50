"""``cmr-ssp experiment report``: tables and a page from the cells of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cmr_ssp.cli.options import Shown
from cmr_ssp.cli.terminal import make_table


def report(
    folder: Annotated[Path, Parameter(help="Folder of the experiment.")],
    *,
    terminal: Shown,
) -> None:
    """Write tables (CSV, Markdown, LaTeX) and report.html of the finished cells of an experiment."""
    from cmr_ssp.experiments.report import write_report
    from cmr_ssp.experiments.results import read_results
    from cmr_ssp.experiments.table_formats import shown
    from cmr_ssp.experiments.tables import labelled_subjects

    found = read_results(folder)
    for problem in found.problems:
        terminal.problem(problem)
    page, *tables = write_report(found)
    if (first := labelled_subjects(found)) is not None:
        terminal.show(
            make_table(first.columns, [[shown(cell) for cell in row] for row in first.rows], first.title)
        )
    terminal.note(f"-> {page}")
    terminal.note(f"-> {tables[0].parent} ({len(tables)} files)")
    terminal.give(report=page, tables=tables)
