"""Positional contrastive learning: tell which slices lie at the same height of the heart."""

from importlib import resources

from cmr_ssp.methods.pcl.recipe import PclRecipe
from cmr_ssp.recipes import Method

__all__ = ["METHOD", "PclRecipe"]

METHOD = Method(
    name="pcl",
    short="PCL",
    title="Positional contrastive (PCL)",
    learns=(
        "Learns to tell which slices lie at the same height of the heart, of whichever subject; trains the "
        "encoder."
    ),
    recipe=PclRecipe,
    presets=resources.files(__name__) / "presets",
    objective="cmr_ssp.methods.pcl.objective:PclObjective",
    hands_on=("encoder",),
)
