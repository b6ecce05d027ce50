"""What the recipes of all pretraining methods share."""

from __future__ import annotations

from cmr_ssp.recipes.models import Recipe


class PretrainRecipe(Recipe):
    """Pretraining by any method; no label is looked at."""
