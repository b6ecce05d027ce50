"""SimCLR: the two views of one slice are the only positives (see docs/methods.md)."""

from __future__ import annotations

from cmr_ssp.methods.contrastive.objective import ContrastiveObjective
from cmr_ssp.methods.simclr.recipe import SimclrRecipe


class SimclrObjective(ContrastiveObjective[SimclrRecipe]):
    """Trains the encoder to find the other view of a slice among all views of the batch."""
