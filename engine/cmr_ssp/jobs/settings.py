"""How a training job is carried out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.errors import RecipeError


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How a training job is carried out, apart from its recipe.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    max_minutes : float or None
        End in this time, everything included: the number of updates is planned while training, again and
        again.
    bank_folder : Path or None
        Where slice banks are kept; the user's cache folder unless given.
    devices : int or None
        Processes that train together on each machine; as many as torchrun or SLURM started, or one, unless
        given.
    from_command_line : bool
        Whether the command line of this process may be run again for the other devices. Only `cmr-ssp`
        says so: anywhere else, as in napari, this would start the whole program again.
    threads : int or None
        Processor threads of a new run, in place of the recipe's; a run that is resumed keeps its own, since
        sums of other numbers of threads differ in their last bits.
    started : float or None
        Reading of `time.perf_counter` from which `max_minutes` counts; from the job's start unless given.
    """

    device: str = "auto"
    max_minutes: float | None = None
    bank_folder: Path | None = None
    devices: int | None = None
    from_command_line: bool = False
    threads: int | None = None
    started: float | None = None

    def __post_init__(self) -> None:
        """Refuse a time limit that never comes.

        Raises
        ------
        RecipeError
            Where `max_minutes` is no finite number above 0.
        """
        if self.max_minutes is not None and not 0 < self.max_minutes < math.inf:
            what = f"{self.max_minutes} minutes are no time limit"
            raise RecipeError.of("--max-minutes", what, "Give a number above 0, or leave it out.")
