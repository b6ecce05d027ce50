"""DINO: predict, from a part of a slice, the output of a momentum teacher for the whole slice."""

from importlib import resources

from cmr_ssp.methods.dino.recipe import DinoRecipe
from cmr_ssp.recipes import Method

__all__ = ["METHOD", "DinoRecipe"]

METHOD = Method(
    name="dino",
    short="DINO",
    title="DINO",
    learns=(
        "Learns to predict, from a part of a slice, a momentum teacher's output for the whole slice; trains "
        "the encoder."
    ),
    recipe=DinoRecipe,
    presets=resources.files(__name__) / "presets",
    objective="cmr_ssp.methods.dino.objective:DinoObjective",
    hands_on=("encoder",),
)
