"""SimCLR: tell which two views come from the same slice."""

from importlib import resources

from cmr_ssp.methods.simclr.recipe import SimclrRecipe
from cmr_ssp.recipes import Method

__all__ = ["METHOD", "SimclrRecipe"]

METHOD = Method(
    name="simclr",
    short="SimCLR",
    title="SimCLR",
    learns="Learns to tell which two augmented views come from the same slice; trains the encoder.",
    recipe=SimclrRecipe,
    presets=resources.files(__name__) / "presets",
    objective="cmr_ssp.methods.simclr.objective:SimclrObjective",
    hands_on=("encoder",),
)
