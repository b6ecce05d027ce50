"""DINO: say of a part of a slice what a slowly following teacher says of the whole."""

from importlib import resources

from cmr_ssp.methods.dino.recipe import DinoRecipe
from cmr_ssp.recipes import Method

__all__ = ["METHOD", "DinoRecipe"]

METHOD = Method(
    name="dino",
    short="DINO",
    title="DINO",
    learns=(
        "Learns to say of a part of a slice what a slowly following teacher says of the whole; trains the "
        "encoder."
    ),
    recipe=DinoRecipe,
    presets=resources.files(__name__) / "presets",
    objective="cmr_ssp.methods.dino.objective:DinoObjective",
    hands_on=("encoder",),
)
