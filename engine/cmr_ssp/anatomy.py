"""Structures of the heart and phases of its beat, with the one numbering used inside the engine."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from cmr_ssp.errors import LabelError


class Structure(IntEnum):
    """A segmented structure; the value is its number in every array and file that we make."""

    LV = 1
    MYO = 2
    RV = 3


class Phase(StrEnum):
    """A labelled point of the cardiac cycle: end diastole or end systole."""

    ED = "ED"
    ES = "ES"


def phase_named(name: Phase | str) -> Phase:
    """Return a phase by its name, in capitals or not.

    Raises
    ------
    LabelError
        Where there is none of this name.
    """
    try:
        return Phase(name.strip().upper())
    except ValueError:
        what = "there is no such phase"
        raise LabelError.of(f"'{name}'", what, f"Choose {' or '.join(Phase)}.") from None


OTHER_STRUCTURES = (
    f"Only {', '.join(Structure.__members__)} can be segmented: leave other structures out of the labels. "
    "docs/extending.md says what more would take."
)
"""What to do about labels of anything else."""

COLOURS: Mapping[Structure, str] = {
    Structure.LV: "#D55E00",
    Structure.MYO: "#F0E442",
    Structure.RV: "#56B4E9",
}
"""Vermillion, yellow and sky blue of Okabe and Ito's palette: told apart with any kind of colour vision.

What touches in the heart also differs in brightness.
"""

TITLES: Mapping[Structure, str] = {
    Structure.LV: "LV cavity",
    Structure.MYO: "LV myocardium",
    Structure.RV: "RV cavity",
}
"""What people are shown."""


def rgb(structure: Structure) -> tuple[int, int, int]:
    """Return the colour of a structure as red, green and blue, 0 to 255."""
    red, green, blue = bytes.fromhex(COLOURS[structure][1:])
    return red, green, blue


BACKGROUND = 0
N_CLASSES = 1 + len(Structure)

Numbering = Mapping[int, Structure]
"""Which structure a positive number in a label file means."""

NUMBERINGS: Mapping[str, Numbering] = {
    "mnms": {1: Structure.LV, 2: Structure.MYO, 3: Structure.RV},
    "acdc": {1: Structure.RV, 2: Structure.MYO, 3: Structure.LV},
}
"""Numberings found in public data sets; ``mnms`` is the engine's own.

Plain dictionaries, since subjects hold them and have to be pickled.
"""
