"""SimCLR: find the two views of the same slice."""

from importlib import resources

from cmr_ssp.methods.simclr.recipe import SimclrRecipe
from cmr_ssp.recipes import Method

__all__ = ["METHOD", "SimclrRecipe"]

METHOD = Method(
    name="simclr",
    short="SimCLR",
    title="SimCLR",
    learns="Learns to find the two augmented views of the same slice; trains the encoder.",
    recipe=SimclrRecipe,
    presets=resources.files(__name__) / "presets",
    objective="cmr_ssp.methods.simclr.objective:SimclrObjective",
    hands_on=("encoder",),
)
