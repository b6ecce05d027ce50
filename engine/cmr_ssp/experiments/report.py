"""The report of an experiment: tables as files, and one HTML page without scripts or outside references."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

import yaml

from cmr_ssp import __version__
from cmr_ssp.atomic import write_text
from cmr_ssp.evaluation import SCORE_COLUMNS, scores_csv
from cmr_ssp.experiments.arms import method_name
from cmr_ssp.experiments.curves import label_curves, minute_curves
from cmr_ssp.experiments.environment import LOCK_FILE
from cmr_ssp.experiments.methods_text import methods_paragraph
from cmr_ssp.experiments.published import CITATION
from cmr_ssp.experiments.results import CellRecord, Results
from cmr_ssp.experiments.table_formats import FORMATS, Table, as_html
from cmr_ssp.experiments.tables import make_tables
from cmr_ssp.reports.learning_curves import Curve, as_inline_svg, draw_learning_curves

PAGE = "report.html"
_PER_SUBJECT = "scores-per-subject.csv"
_CELL_COLUMNS = ("cell", "labelled_subjects", "pretraining_seed", "subset_seed", "training_seed")


def write_report(found: Results) -> list[Path]:
    """Write ``tables/*.csv|md|tex`` and ``report.html`` into the folder of the experiment.

    Returns
    -------
    list of Path
        The page first.

    Raises
    ------
    OutputError
        If matplotlib is not installed, or a file cannot be written.
    """
    tables, folder = make_tables(found), found.folder / "tables"
    page = found.folder / PAGE
    text = report_page(found, tables)  # before anything is written: it needs matplotlib
    files = {folder / f"{t.key}.{kind}": form(t) for t in tables for kind, form in FORMATS.items()}
    files[folder / _PER_SUBJECT] = per_subject_csv(found)
    for path, content in (files | {page: text}).items():
        write_text(path, content)
    return [page, *files]


def per_subject_csv(found: Results) -> str:
    """Return the scores of all test subjects of all cells as one table, with cell, labels and seeds first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_CELL_COLUMNS, *SCORE_COLUMNS])
    for trained in (each for group in found.arms.values() for each in group):
        cell = trained.cell
        seeds = [cell.seeds.get(name, "") for name in ("pretraining", "subset", "training")]
        first = [cell.id, "all" if cell.n_labelled is None else cell.n_labelled, *seeds]
        _, *rows = csv.reader(io.StringIO(scores_csv(trained.scores)))
        writer.writerows([*first, *row] for row in rows)
    return text.getvalue()


def report_page(found: Results, tables: Sequence[Table]) -> str:
    """Return the HTML page: methods, plots, tables, recipes, versions, hardware, time and problems.

    Raises
    ------
    OutputError
        If matplotlib is not installed.
    """
    template = Template(resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        name=escape(found.folder.resolve().name),
        summary=escape(_summary(found)),
        problems=_problems(found),
        methods="".join(f"<p>{escape(text)}</p>" for text in methods_paragraph(found)),
        curves="\n".join(_curves(found)),
        tables="\n".join(map(as_html, tables)),
        recipes="\n".join(_recipes(found.cells)),
        environment=_environment(found.folder),
        cells=as_html(_cell_table(found.cells)),
        machines=as_html(_machine_table(found.cells)),
        citation=escape(CITATION),
        version=escape(__version__),
    )


def _summary(found: Results) -> str:
    hours = sum(cell.seconds for cell in found.cells) / 3600
    n_pretrained = sum(cell.is_pretraining and cell.is_done for cell in found.cells)
    n_scored = sum(map(len, found.arms.values()))
    counts = f"Pretrainings: {n_pretrained}. Trainings on labels with scores: {n_scored}."
    return f"{counts} Hours of training: {hours:.1f}."


def _problems(found: Results) -> str:
    if not found.problems:
        return ""
    items = "".join(f"<li>{escape(str(problem.without_paths()))}</li>" for problem in found.problems)
    return f'<section class="problems"><h2>Not in the tables</h2><ul>{items}</ul></section>'


def _curves(found: Results) -> Iterator[str]:
    yield from _figures("labelled subjects", label_curves(found), at_places=True)
    yield from _figures("minutes, pretraining included", minute_curves(found), at_places=False)


def _figures(label: str, drawn: Mapping[str, list[Curve]], *, at_places: bool) -> Iterator[str]:
    for number, (what, curves) in enumerate(drawn.items()):
        title = f"Dice against {label}: {what}"
        figure = draw_learning_curves(curves, label, at_places=at_places)
        svg = as_inline_svg(figure, f"{label.split()[0].strip(',')}-{number}", title)
        note = "<p>Points are seeds, lines join their means.</p>"
        yield f"<figure><figcaption>{escape(title)}</figcaption>{svg}{note}</figure>"


def _recipes(cells: Sequence[CellRecord]) -> Iterator[str]:
    """Yield each recipe once, without its seeds."""
    recipes: dict[str, str] = {}
    for cell in cells:
        settings = {key: value for key, value in cell.recipe.items() if key not in ("seed", "seeds")}
        if settings:
            text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
            recipes.setdefault(text, f"{cell.preset}, {cell.updates} updates, as in {cell.id}")
    for text, title in recipes.items():
        yield f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"


def _environment(folder: Path) -> str:
    """Return the packages of the last call that ran cells; nothing if they are not known."""
    path = folder / LOCK_FILE
    if not path.is_file():
        return ""
    packages = escape(path.read_text(encoding="utf-8"))
    return f"<details><summary>Packages, in the form of pip</summary><pre>{packages}</pre></details>"


def _cell_table(cells: Sequence[CellRecord]) -> Table:
    rows = []
    for cell in cells:
        n = "" if cell.is_pretraining else "all" if cell.n_labelled is None else str(cell.n_labelled)
        seeds = ", ".join(f"{name} {seed}" for name, seed in cell.seeds.items())
        time = (cell.updates, f"{cell.seconds / 60:.1f}", cell.started, cell.outcome)
        rows.append((cell.id, method_name(cell.method), n, seeds, *time))
    columns = ("cell", "method", "labelled subjects", "seeds", "updates", "minutes", "started", "outcome")
    return Table("cells", "All cells", columns, tuple(rows))


def _machine_table(cells: Sequence[CellRecord]) -> Table:
    machines: dict[tuple[str, str], int] = {}
    for cell in cells:
        key = (_listed(cell.hardware), _listed(cell.versions))
        machines[key] = machines.get(key, 0) + 1
    rows = tuple((*key, n) for key, n in machines.items())
    return Table("machines", "Machines and versions", ("hardware", "versions", "cells"), rows)


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()) if value) or "unknown"
