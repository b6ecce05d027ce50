"""Write the tables and plots of ``docs/small-experiment.md`` from the cells in ``docs/results/cpu-small``.

``python docs/small_experiment.py`` does it; with ``--take EXPERIMENT`` it first copies finished cells of an
experiment folder, without weights and histories. The text between the tables is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

from cmr_ssp.experiments.curves import label_curves, minute_curves
from cmr_ssp.experiments.results import Results, read_results
from cmr_ssp.experiments.table_formats import as_markdown
from cmr_ssp.experiments.tables import make_tables

HERE = Path(__file__).parent
PAGE, FOLDER, IMAGES = HERE / "small-experiment.md", HERE / "results" / "cpu-small", HERE / "images"
KEPT = ("cell.json", "scores.csv", "function.csv")
_BLOCK = re.compile(r"(<!-- table (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def take(experiment: Path) -> list[str]:
    """Copy the small files of finished cells that are not here yet, and return their ids."""
    taken = []
    for record in sorted((experiment / "cells").glob("*/cell.json")):
        target = FOLDER / "cells" / record.parent.name
        if target.exists() or json.loads(record.read_text())["outcome"] != "finished":
            continue
        target.mkdir(parents=True)
        for name in KEPT:
            if (record.parent / name).exists():
                shutil.copyfile(record.parent / name, target / name)
        taken.append(target.name)
    return taken


def with_tables(text: str, found: Results) -> str:
    """Return the page with the tables of an experiment between its marks; unknown ones stay empty."""
    tables = {table.key: as_markdown(table).strip() for table in make_tables(found)}
    return _BLOCK.sub(lambda mark: f"{mark[1]}\n{tables.get(mark[2], '')}\n\n{mark[4]}", text)


def draw(found: Results, page: str) -> None:
    """Draw the learning curves that the page shows."""
    import matplotlib as mpl
    from cmr_ssp.reports.learning_curves import draw_learning_curves

    mpl.rcParams |= {"svg.hashsalt": "cmr-ssp", "svg.fonttype": "none"}
    for kind, label, curves in (
        ("subjects", "labelled subjects", label_curves(found)),
        ("minutes", "minutes, pretraining included", minute_curves(found)),
    ):
        for title, drawn in curves.items():
            name = f"small-experiment-{kind}-{title.split()[0]}.svg"
            if name in page:
                figure = draw_learning_curves(drawn, label, at_places=kind == "subjects")
                figure.savefig(IMAGES / name, metadata={"Date": None})


def main() -> None:
    """Take cells, and write tables and plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--take", type=Path, nargs="+", default=[], metavar="EXPERIMENT")
    for experiment in parser.parse_args().take:
        take(experiment)
    found = read_results(FOLDER)
    page = with_tables(PAGE.read_text(), found)
    PAGE.write_text(page)
    draw(found, page)


if __name__ == "__main__":
    main()
