"""What people call the pretraining methods, and what each learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MethodWords:
    """A pretraining method in words.

    Attributes
    ----------
    short : str
        For lists.
    title : str
        In full.
    learns : str
        One sentence.
    """

    short: str
    title: str
    learns: str


METHODS: Mapping[str, MethodWords] = {
    "mim": MethodWords(
        "MIM",
        "Masked image modelling (MIM)",
        "Learns to rebuild hidden patches of a slice; trains encoder and decoder, and can be looked at under "
        "Reconstructions.",
    ),
    "simclr": MethodWords(
        "SimCLR",
        "SimCLR",
        "Learns to tell which two augmented views come from the same slice; trains the encoder.",
    ),
    "pcl": MethodWords(
        "PCL",
        "Positional contrastive (PCL)",
        "Learns to tell which slices lie at the same height of the heart, of whichever subject; trains the "
        "encoder.",
    ),
    "dino": MethodWords(
        "DINO",
        "DINO",
        "Learns to say of a part of a slice what a slowly following teacher says of the whole; trains the "
        "encoder.",
    ),
}
"""By the recipes' names for them, the usual one first."""
