"""Command-line options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from cmr_ssp.anatomy import Phase, phase_named
from cmr_ssp.cli.terminal import Terminal
from cmr_ssp.errors import OutputError

if TYPE_CHECKING:
    from cmr_ssp.subjects import Cohort


Shown = Annotated[Terminal, Parameter(parse=False)]
"""Output of a command, as set by ``--quiet``, ``--verbose`` and ``--json``; not an option itself."""

Folder = Annotated[Path, Parameter(help="Folder of subjects; the layout is detected.")]
RunFolder = Annotated[Path, Parameter(name="--run", help="New folder for the run.")]
Preset = Annotated[str | None, Parameter(help="Name of a preset, see `cmr-ssp recipe list`.")]
RecipeFile = Annotated[Path | None, Parameter(name="--recipe", help="Your own recipe (YAML file).")]
SetOptions = Annotated[
    list[str] | None,
    Parameter(
        name="--set",
        negative=(),
        help="Change a setting, as in --set updates=400 or --set optimiser.learning_rate=0.001.",
    ),
]
LabelFolder = Annotated[
    Path | None,
    Parameter(name="--labels", help="Folder of label versions; the newest replace the labels of the cohort."),
]
SplitFile = Annotated[
    Path | None,
    Parameter(
        name="--split", help="Split file (YAML) with the roles of the subjects, see `cmr-ssp cohort split`."
    ),
]
WeightsSeed = Annotated[int | None, Parameter(help="Seed of the initial weights; by default --seed.")]
OrderSeed = Annotated[
    int | None, Parameter(help="Seed of batches, augmentation and hidden patches; by default --seed.")
]
Resume = Annotated[bool, Parameter(negative=(), help="Resume the run from its last checkpoint.")]
MaxMinutes = Annotated[
    float | None,
    Parameter(
        help="Choose the number of updates so that training ends within this time.", validator=Number(gt=0)
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], Parameter(help="Device; auto uses the best one available.")
]
Checkpoint = Annotated[
    Literal["last", "best"], Parameter(help="Checkpoint: the last, or the one with the best validation.")
]
Devices = Annotated[
    int | None,
    Parameter(
        help="Number of devices to train on, with one process each; torchrun and SLURM set it themselves.",
        validator=Number(gte=1),
    ),
]
Numbers = Annotated[
    Literal["mnms", "acdc"] | None,
    Parameter(name="--labels", help="Numbers in the label files, if the files do not define them."),
]
Phases = Annotated[str, Parameter(help="Labelled phases to use, separated by commas.")]


def open_labelled(folder: Path, labels: Path | None, terminal: Terminal) -> Cohort:
    """Open a cohort, optionally with the newest label versions of a folder, and print its problems."""
    from cmr_ssp.files import open_cohort, with_label_versions

    cohort = open_cohort(folder)
    if labels is not None:
        cohort = with_label_versions(cohort, labels)
    for problem in cohort.problems:
        terminal.problem(problem)
    return cohort


def parse_phases(text: str) -> list[Phase]:
    """Parse phases such as ``ED,ES``.

    Raises
    ------
    LabelError
        If a phase is neither ED nor ES.
    """
    return list(dict.fromkeys(map(phase_named, text.split(","))))


def require_replaceable(path: Path, beginning: str) -> None:
    """Check that a file is missing, or was written by an earlier call of the same command.

    Raises
    ------
    OutputError
        If `path` exists and does not start with `beginning`.
    """
    try:
        with path.open(encoding="utf-8") as file:
            ours = file.read(len(beginning)) == beginning
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError):
        ours = False
    if not ours:
        what = "it exists, but was not written by this command"
        raise OutputError.of(path, what, "Choose another name, or move that file away.")
