"""Masked image modelling: reconstruct the hidden patches of a slice."""

from importlib import resources

from cmr_ssp.methods.mim.recipe import MimRecipe
from cmr_ssp.recipes import Method

__all__ = ["METHOD", "MimRecipe"]

METHOD = Method(
    name="mim",
    short="MIM",
    title="Masked image modelling (MIM)",
    learns=(
        "Learns to reconstruct hidden patches of a slice; trains encoder and decoder. The panel "
        "Reconstructions shows the result."
    ),
    recipe=MimRecipe,
    presets=resources.files(__name__) / "presets",
    objective="cmr_ssp.methods.mim.objective:MimObjective",
    hands_on=("encoder", "decoder"),
    rebuilds=True,
)
