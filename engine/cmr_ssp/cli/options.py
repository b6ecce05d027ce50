"""Options that several commands share, each described once."""

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
"""Where a command prints; no option, but what ``--quiet``, ``--verbose`` and ``--json`` decide."""

Folder = Annotated[Path, Parameter(help="Folder of subjects; its layout is recognised.")]
RunFolder = Annotated[Path, Parameter(name="--run", help="New folder that the run is written to.")]
Preset = Annotated[str | None, Parameter(help="Shipped recipe, see `cmr-ssp recipe list`.")]
RecipeFile = Annotated[Path | None, Parameter(name="--recipe", help="Recipe of your own (YAML).")]
Settings = Annotated[
    list[str] | None,
    Parameter(
        name="--set",
        negative=(),
        help="Change a setting, as in --set updates=400 or --set optimiser.learning_rate=0.001.",
    ),
]
LabelFolder = Annotated[
    Path | None,
    Parameter(name="--labels", help="Folder of label versions; the newest stand in for the cohort's labels."),
]
SplitFile = Annotated[
    Path | None, Parameter(name="--split", help="Roles of the subjects (YAML), see `cmr-ssp cohort split`.")
]
WeightsSeed = Annotated[int | None, Parameter(help="Of the first weights, where not --seed.")]
OrderSeed = Annotated[
    int | None, Parameter(help="Of batches, augmentation and hidden patches, where not --seed.")
]
Resume = Annotated[bool, Parameter(negative=(), help="Continue the run from its last checkpoint.")]
MaxMinutes = Annotated[
    float | None,
    Parameter(
        help="Fit the number of updates to this time, from the measured speed.", validator=Number(gt=0)
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], Parameter(help="Where to compute; auto takes the best there is.")
]
Devices = Annotated[
    int | None,
    Parameter(
        help="Processes that train together, one a device; torchrun and SLURM tell it themselves.",
        validator=Number(gte=1),
    ),
]
Phases = Annotated[str, Parameter(help="Labelled phases to use, separated by commas.")]


def open_labelled(folder: Path, labels: Path | None, terminal: Terminal) -> Cohort:
    """List a cohort, with the newest of its label versions, if a folder of them is given; print problems."""
    from cmr_ssp.files import open_cohort, with_label_versions

    cohort = open_cohort(folder)
    if labels is not None:
        cohort = with_label_versions(cohort, labels)
    for problem in cohort.problems:
        terminal.problem(problem)
    return cohort


def parse_phases(text: str) -> list[Phase]:
    """Read ``ED,ES``.

    Raises
    ------
    LabelError
        If a phase is neither ED nor ES.
    """
    return list(dict.fromkeys(map(phase_named, text.split(","))))


def require_replaceable(path: Path, beginning: str) -> None:
    """Refuse to write over a file unless an earlier call of the same command made it.

    Raises
    ------
    OutputError
        If `path` exists and does not begin as what would be written.
    """
    try:
        with path.open(encoding="utf-8") as file:
            ours = file.read(len(beginning)) == beginning
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError):
        ours = False
    if not ours:
        what = "it exists and was not written by this command"
        raise OutputError.of(path, what, "Choose another name, or move that file away.")
