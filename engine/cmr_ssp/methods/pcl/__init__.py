"""Positional contrastive learning: find slices at similar positions along the heart."""

from importlib import resources

from cmr_ssp.methods.pcl.recipe import PclRecipe
from cmr_ssp.recipes import Method

__all__ = ["METHOD", "PclRecipe"]

METHOD = Method(
    name="pcl",
    short="PCL",
    title="Positional contrastive (PCL)",
    learns=(
        "Learns to find slices at similar positions along the heart, in any subject; trains the encoder."
    ),
    recipe=PclRecipe,
    presets=resources.files(__name__) / "presets",
    objective="cmr_ssp.methods.pcl.objective:PclObjective",
    hands_on=("encoder",),
)
