"""Settings of a training job that are not part of the recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.errors import RecipeError


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Settings of a training job that are not part of the recipe.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    max_minutes : float or None
        Time limit of the whole job; the number of updates is adjusted during training.
    bank_folder : Path or None
        Folder of the slice banks; by default the user's cache folder.
    devices : int or None
        Processes per machine; by default as many as torchrun or SLURM started, or one.
    from_command_line : bool
        Whether the command line of this process may be run again for the other devices. Only `cmr-ssp` sets
        it: in napari, for example, this would start the whole program again.
    threads : int or None
        Processor threads of a new run, instead of the recipe's. A resumed run keeps its number, since sums
        over another number of threads are rounded differently.
    started : float or None
        Value of `time.perf_counter` from which `max_minutes` counts; by default the start of the job.
    data_licence : str
        Terms of the data, which the provenance of a new run keeps; empty if unknown.
    """

    device: str = "auto"
    max_minutes: float | None = None
    bank_folder: Path | None = None
    devices: int | None = None
    from_command_line: bool = False
    threads: int | None = None
    started: float | None = None
    data_licence: str = ""

    def __post_init__(self) -> None:
        """Check the time limit.

        Raises
        ------
        RecipeError
            If `max_minutes` is not a finite number above 0.
        """
        if self.max_minutes is not None and not 0 < self.max_minutes < math.inf:
            what = f"{self.max_minutes} minutes is not a valid time limit"
            raise RecipeError.of("--max-minutes", what, "Use a number above 0, or omit it.")
