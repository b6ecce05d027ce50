"""Fits a recipe to the pretraining that it goes on from."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cmr_ssp.errors import RecipeError
from cmr_ssp.recipes import Recipe, load_recipe, matching_preset
from cmr_ssp.runs import Run


def fitted_recipe(recipe: Recipe, method: str, source: Path | None) -> Recipe:
    """Return a recipe for a method, or the preset that goes on from a pretrained network.

    Parameters
    ----------
    recipe : Recipe
        What is set now.
    method : str
        Of the recipe that is wanted.
    source : Path or None
        The pretraining run, if any.

    Raises
    ------
    CmrSspError
        Where the run's recipe cannot be read.
    """
    if source is None:
        return recipe.model_copy(update={"method": method})
    pretrained = Run(source).recipe()
    same = {"network": pretrained.network, "crop": pretrained.crop}
    if (recipe.network, recipe.crop) != (pretrained.network, pretrained.crop):
        with suppress(RecipeError):  # where no preset is like it, what is set goes on from it
            return load_recipe(matching_preset(pretrained))
    return recipe.model_copy(update={"method": method, **same})
