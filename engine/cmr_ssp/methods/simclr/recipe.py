"""The recipe of SimCLR."""

from __future__ import annotations

from typing import Literal

from cmr_ssp.methods.contrastive.recipe import ContrastiveRecipe


class SimclrRecipe(ContrastiveRecipe):
    """Pretraining by SimCLR: two views of one slice belong together."""

    method: Literal["simclr"] = "simclr"
