"""Every stage on the command line: ``cmr-ssp``."""

from __future__ import annotations

import sys

from cyclopts import App
from rich.console import Console

from cmr_ssp import __version__
from cmr_ssp.errors import CmrSspError, Severity

app = App(
    name="cmr-ssp",
    help="Pretrain on unlabelled cardiac MR cines, fine-tune on a few labels, segment, and score.",
    version=__version__,
)
cohort_app = App(name="cohort", help="Look at a folder of subjects, and split it.")
recipe_app = App(name="recipe", help="See the shipped presets.")
labels_app = App(name="labels", help="Keep edited labels as versions; nothing is overwritten.")
app.command(cohort_app)
app.command(labels_app)
app.command(recipe_app)

cohort_app.command("cmr_ssp.cli.cohorts:check")
cohort_app.command("cmr_ssp.cli.cohorts:split")
recipe_app.command("cmr_ssp.cli.recipes:list_presets", name="list")
recipe_app.command("cmr_ssp.cli.recipes:show")
labels_app.command("cmr_ssp.cli.labels:add")
labels_app.command("cmr_ssp.cli.labels:list_labels", name="list")
app.command("cmr_ssp.cli.convert:convert")
app.command("cmr_ssp.cli.training:pretrain")
app.command("cmr_ssp.cli.training:finetune")
app.command("cmr_ssp.cli.results:segment")
app.command("cmr_ssp.cli.results:evaluate")
app.command("cmr_ssp.cli.exports:export")
app.command("cmr_ssp.cli.exports:export_cohort")
app.command("cmr_ssp.cli.exports:volumes")
app.command("cmr_ssp.cli.demo:demo")


def _import_commands(group: App) -> None:
    """Import the commands, so that a list of them shows what each does."""
    for name in group:
        if not name.startswith("-"):
            _import_commands(group[name])


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors of ours end it with code 1 and without a traceback."""
    if (sys.argv[1:] if arguments is None else arguments)[-1:] in ([], ["--help"], ["-h"]):
        _import_commands(app)
    try:
        app(arguments)
    except CmrSspError as error:
        console = Console(stderr=True, highlight=False)
        for problem in error.problems:
            word = "error" if problem.severity is Severity.ERROR else "warning"
            console.print(f"[bold red]{word}[/]", end=" ")
            console.print(str(problem), markup=False, soft_wrap=True)
        sys.exit(1)
