"""Arms: trainings of an experiment that differ only in seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cmr_ssp.anatomy import Phase

SCRATCH = "scratch"
METHODS = {SCRATCH: "Scratch", "simclr": "SimCLR", "pcl": "PCL", "dino": "DINO", "mim": "MIM"}
"""Names of the methods in the order of the paper's tables; other methods follow by name."""


def method_name(method: str) -> str:
    """Return the name of a method in tables."""
    return METHODS.get(method, method)


@dataclass(frozen=True, slots=True)
class Arm:
    """What a table compares: all that defines a training on labels but its seeds.

    Attributes
    ----------
    method : str
        How it was pretrained; ``scratch`` without pretraining.
    n_labelled : int or None
        Labelled subjects; None for the whole pool.
    updates : int
        Updates of training on labels; of a control, those of the training that it is a control of.
    phases : tuple of Phase
        Labelled phases that were trained on.
    vendors : tuple of str
        Vendors of the labelled subjects, empty for all.
    augmentation : bool
        Whether training on labels augmented its images.
    control : str
        ``updates`` or ``minutes`` for training from scratch with as many in all as with pretraining.
    like : str
        Method of the training that it is a control of.
    split : str
        How the test subjects were drawn.
    variant : str
        Settings, data and splits that not all trainings of the method have in common.
    """

    method: str
    n_labelled: int | None
    updates: int
    phases: tuple[Phase, ...] = tuple(Phase)
    vendors: tuple[str, ...] = ()
    augmentation: bool = True
    control: str = ""
    like: str = ""
    split: str = ""
    variant: str = ""

    @property
    def name(self) -> str:
        """Method, control and variant, as the header of a column."""
        name = method_name(self.method)
        if self.control:
            name += f", as many {self.control} in all as {method_name(self.like)}"
        return f"{name} ({self.variant})" if self.variant else name

    @property
    def budget(self) -> str:
        """Number of labelled subjects as text."""
        return "all labelled" if self.n_labelled is None else str(self.n_labelled)

    @property
    def order(self) -> tuple[Any, ...]:
        """Key for sorting: by labelled subjects, most first, updates, and method as in the paper."""
        n = float("inf") if self.n_labelled is None else self.n_labelled
        known = list(METHODS)
        place = known.index(self.method) if self.method in known else len(known)
        return -n, self.updates, place, self.method, self.control, self.like, self.split, self.variant

    @property
    def is_main(self) -> bool:
        """Whether it was trained on both phases and all vendors, with augmentation."""
        return self.phases == tuple(Phase) and not self.vendors and self.augmentation
