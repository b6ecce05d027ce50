"""The recipe of positional contrastive learning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cmr_ssp.methods.contrastive.recipe import ContrastiveRecipe


class PclRecipe(ContrastiveRecipe):
    """Positional contrastive learning: slices from alike places in the heart belong together."""

    method: Literal["pcl"] = "pcl"
    threshold: Annotated[float, Field(ge=0.001, le=1)] = Field(
        0.1,
        title="Threshold",
        description="Relative positions that differ by less belong together",
    )
    positions: Literal["exact", "rounded"] = Field(
        "exact",
        title="Positions compared",
        description="As ratios of whole numbers, or rounded to floats as the paper's authors did",
    )
