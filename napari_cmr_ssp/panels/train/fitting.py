"""Adapts a recipe to the pretraining that it starts from."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cmr_ssp.errors import RecipeError
from cmr_ssp.recipes import Recipe, load_recipe, matching_preset
from cmr_ssp.runs import Run


def fitted_recipe(recipe: Recipe, method: str, source: Path | None) -> Recipe:
    """Return a recipe adapted to a method, or the preset that matches a pretrained network.

    Parameters
    ----------
    recipe : Recipe
        Current settings.
    method : str
        Method of the returned recipe.
    source : Path or None
        The pretraining run, if any.

    Raises
    ------
    CmrSspError
        If the recipe of the run cannot be read.
    """
    if source is None:
        return recipe.model_copy(update={"method": method})
    pretrained = Run(source).recipe()
    same = {"network": pretrained.network, "crop": pretrained.crop}
    if (recipe.network, recipe.crop) != (pretrained.network, pretrained.crop):
        with suppress(RecipeError):  # without a matching preset, keep the settings
            return load_recipe(matching_preset(pretrained))
    return recipe.model_copy(update={"method": method, **same})
