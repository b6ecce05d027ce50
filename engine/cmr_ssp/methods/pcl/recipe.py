"""The recipe of positional contrastive learning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cmr_ssp.methods.contrastive.recipe import ContrastiveRecipe


class PclRecipe(ContrastiveRecipe):
    """Positional contrastive learning: slices at similar positions along the heart are positive pairs."""

    method: Literal["pcl"] = "pcl"
    threshold: Annotated[float, Field(ge=0.001, le=1)] = Field(
        0.1,
        title="Threshold",
        description="Slices whose relative positions differ by less are positive pairs",
    )
    positions: Literal["exact", "rounded"] = Field(
        "exact",
        title="Positions compared",
        description="As exact ratios of integers, or rounded to floats as in the authors' code",
    )
