"""Base class of the recipes of all pretraining methods."""

from __future__ import annotations

from cmr_ssp.recipes.models import Recipe


class PretrainRecipe(Recipe):
    """Recipe of pretraining by any method; labels are not used."""
