"""The recipe of SimCLR."""

from __future__ import annotations

from typing import Literal

from cmr_ssp.methods.contrastive.recipe import ContrastiveRecipe


class SimclrRecipe(ContrastiveRecipe):
    """Pretraining by SimCLR: the two views of one slice are a positive pair."""

    method: Literal["simclr"] = "simclr"
