"""The commands, the options of every command, and exit codes."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter

from cmr_ssp import __version__
from cmr_ssp.cli.streams import INTERRUPTED
from cmr_ssp.cli.terminal import Terminal
from cmr_ssp.errors import CmrSspError, OutputError, Problem

app = App(
    name="cmr-ssp",
    help="Pretrain on unlabelled cardiac MR cines, fine-tune on a few labels, segment, and score.",
    version=__version__,
    suppress_keyboard_interrupt=False,
)
cohort_app = App(name="cohort", help="Check and split a cohort.")
recipe_app = App(name="recipe", help="List and show presets.")
labels_app = App(name="labels", help="Store edited labels as versions; nothing is overwritten.")
model_app = App(name="model", help="Pass on trained networks as bundles: one file with its card.")
experiment_app = App(name="experiment", help="Plan and run many trainings from one file.")
cache_app = App(name="cache", help="List and remove cached slice banks.")
app.command(cache_app)
app.command(cohort_app)
app.command(experiment_app)
app.command(labels_app)
app.command(model_app)
app.command(recipe_app)

cache_app.command("cmr_ssp.cli.cache:list_banks", name="list")
cache_app.command("cmr_ssp.cli.cache:clear")
cohort_app.command("cmr_ssp.cli.cohorts:check")
cohort_app.command("cmr_ssp.cli.cohorts:split")
experiment_app.command("cmr_ssp.cli.experiment_report:report")
recipe_app.command("cmr_ssp.cli.recipes:list_presets", name="list")
recipe_app.command("cmr_ssp.cli.recipes:show")
experiment_app.command("cmr_ssp.cli.experiment:plan")
experiment_app.command("cmr_ssp.cli.experiment:run")
experiment_app.command("cmr_ssp.cli.experiment:show")
labels_app.command("cmr_ssp.cli.labels:add")
labels_app.command("cmr_ssp.cli.labels:list_labels", name="list")
model_app.command("cmr_ssp.cli.model:export_model", name="export")
model_app.command("cmr_ssp.cli.model:import_model", name="import")
model_app.command("cmr_ssp.cli.model:list_models", name="list")
model_app.command("cmr_ssp.cli.model:show")
app.command("cmr_ssp.cli.convert:convert")
app.command("cmr_ssp.cli.training:pretrain")
app.command("cmr_ssp.cli.training:finetune")
app.command("cmr_ssp.cli.results:segment")
app.command("cmr_ssp.cli.results:evaluate")
app.command("cmr_ssp.cli.agreement:agreement")
app.command("cmr_ssp.cli.agreement:repeatability")
app.command("cmr_ssp.cli.exports:export")
app.command("cmr_ssp.cli.exports:export_cohort")
app.command("cmr_ssp.cli.exports:volumes")
app.command("cmr_ssp.cli.function:function")
app.command("cmr_ssp.cli.demo:demo")
app.register_install_completion_command(
    help="Install Tab completion of commands and options (bash, zsh, fish, PowerShell)."
)
app.meta.group_parameters = Group("Options of every command", sort_key=100)


def run(arguments: list[str]) -> None:
    """Run the command line; ends in `SystemExit`."""
    if arguments[-1:] in ([], ["--help"], ["-h"]):
        _import_commands(app)
    app.meta(arguments)


@app.meta.default
def _launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[
        bool, Parameter(name=["--quiet", "-q"], negative=(), help="Print results and problems only.")
    ] = False,
    verbose: Annotated[
        bool,
        Parameter(name=["--verbose", "-v"], negative=(), help="Print notices of libraries, and tracebacks."),
    ] = False,
    json: Annotated[
        bool,
        Parameter(negative=(), help="Print one JSON object as the result; progress goes to standard error."),
    ] = False,
) -> None:
    """Parse and run a command."""
    terminal = Terminal(quiet=quiet, verbose=verbose, as_json=json)
    _listen_to_libraries(verbose)
    code = _run(words, terminal)
    terminal.finish(ok=code == 0)
    sys.exit(code)


def _run(words: tuple[str, ...], terminal: Terminal) -> int:
    """Run a command, print the errors that end it, and return the exit code."""
    try:
        _require_working_directory()
        command, bound, injected = app.parse_args(words, exit_on_error=False, print_error=False)
        command(*bound.args, **bound.kwargs, **dict.fromkeys(injected, terminal))
    except CycloptsError as error:
        what = str(error).strip().removesuffix(".")
        terminal.error(Problem("command line", what, "See `cmr-ssp --help`, or --help of the command."))
        return 1
    except CmrSspError as error:
        for problem in error.problems:
            terminal.error(problem)
        if terminal.verbose:
            traceback.print_exception(error)
        return 1
    except KeyboardInterrupt:
        terminal.note("interrupted")
        return INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _require_working_directory() -> None:
    """Check that the working directory exists, for relative paths."""
    try:
        Path.cwd()
    except OSError as error:
        what = f"it cannot be found ({error.strerror}); perhaps it was deleted"
        raise OutputError.of("the working directory", what, "Change to a folder that exists.") from None


def _listen_to_libraries(verbose: bool) -> None:
    """Show notices of libraries only with ``--verbose``; always show warnings and errors."""
    if verbose:
        logging.basicConfig(level=logging.INFO)
    # lightning's own handler ignores the level of the root logger
    notices = logging.getLogger("lightning_fabric.utilities.rank_zero")
    notices.setLevel(logging.NOTSET if verbose else logging.WARNING)


def _import_commands(group: App) -> None:
    """Import the commands, so that their list shows their help."""
    for name in group:
        if not name.startswith("-"):
            _import_commands(group[name])
