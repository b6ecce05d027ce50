"""Recipe settings shared by SimCLR and PCL."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cmr_ssp.recipes import Count, Positive, PretrainRecipe, RecipeModel


class Projection(RecipeModel):
    """The multi-layer perceptron after the pooled features, used only in pretraining."""

    hidden: Count = Field(512, title="Hidden width")
    outputs: Count = Field(512, title="Outputs", description="Length of the compared features")


class ContrastiveRecipe(PretrainRecipe):
    """Settings shared by the contrastive methods."""

    compares_batch: ClassVar[bool] = True

    temperature: Positive = Field(0.1, title="Temperature", description="Divisor of the similarities")
    head: Projection = Field(Projection(), title="Head")

    def _more_faults(self) -> list[str]:
        faults = []
        if self.batch_size < 2:
            faults.append("batch_size 1 has no slices to compare with")
        if self.micro_batch not in (None, self.batch_size):
            faults.append("micro_batch would change the loss, which compares a whole batch; lower batch_size")
        return faults
