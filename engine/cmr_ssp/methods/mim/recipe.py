"""The recipe of masked image modelling."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cmr_ssp.recipes import Count, Fraction, PretrainRecipe, RecipeModel


class PatchMask(RecipeModel):
    """Settings of the hidden patches of masked image modelling."""

    patch_px: Count = Field(
        32, title="Patch size", description="Side of a patch in pixels", json_schema_extra={"unit": "px"}
    )
    hidden: Fraction = Field(
        0.75, title="Hidden fraction", description="Exact fraction of the patches that is hidden"
    )


class MimRecipe(PretrainRecipe):
    """Pretraining by masked image modelling."""

    method: Literal["mim"] = "mim"
    mask: PatchMask = Field(PatchMask(), title="Mask")
    records_every: Count | None = Field(
        None,
        title="Record every",
        description="Updates between the saved reconstructions of the same few slices",
        json_schema_extra={"none": "about 20 in all"},
    )

    def _more_faults(self) -> list[str]:
        size, patch = self.crop.size_px, self.mask.patch_px
        if size % patch:
            return [f"mask.patch_px {patch} is not a divisor of crop.size_px {size}"]
        hidden = round(self.mask.hidden * (size // patch) ** 2)
        if not 0 < hidden < (size // patch) ** 2:
            return [f"mask.hidden {self.mask.hidden} hides all or none of the patches"]
        return []
