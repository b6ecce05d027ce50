"""The recipe of training on labels: fine-tuning and from scratch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cmr_ssp.recipes.models import Fraction, Positive, Recipe, RecipeModel, Seeds, seed_apart


class SegmentationLoss(RecipeModel):
    """Cross-entropy plus soft Dice, at every resolution but the lowest."""

    cross_entropy: Annotated[float, Field(ge=0)] = Field(0.5, title="Weight of cross-entropy")
    dice: Annotated[float, Field(ge=0)] = Field(0.5, title="Weight of Dice")
    smoothing: Positive = Field(
        1e-5, title="Smoothing", description="Added above and below the Dice's fraction line"
    )
    deep_supervision: bool = Field(
        True, title="Deep supervision", description="Losses at the lower resolutions too"
    )


class PredictionSettings(RecipeModel):
    """How a stack is segmented."""

    flips: bool = Field(
        False, title="Average over flips", description="Average over the four flips of every slice"
    )
    recentre: bool = Field(
        False, title="Segment twice", description="Segment twice, the second time around what was found"
    )
    largest_component: bool = Field(
        False, title="Largest piece only", description="Keep the largest piece of every structure and frame"
    )


class SegmentationSeeds(Seeds):
    """Seeds set apart, that of the label budget's subjects among them."""

    subset: int | None = seed_apart("Subset", "Of the labelled subjects that are drawn")


class SegmentationRecipe(Recipe):
    """Training on labels: fine-tuning a pretrained network, or from scratch."""

    method: Literal["finetune", "scratch"]
    seeds: SegmentationSeeds = Field(SegmentationSeeds(), title="Seeds set apart")
    loss: SegmentationLoss = Field(SegmentationLoss(), title="Loss")
    freeze_encoder: Fraction = Field(
        0.0,
        title="Encoder frozen",
        description="First part of the training with the encoder frozen",
        json_schema_extra={"unit": "share"},
    )
    prediction: PredictionSettings = Field(PredictionSettings(), title="Prediction")

    @property
    def subset_seed(self) -> int:
        """What the subjects of a label budget are drawn with."""
        return self.seed if self.seeds.subset is None else self.seeds.subset

    @property
    def freezes(self) -> bool:
        """Whether the encoder is frozen for a while."""
        return self.freeze_encoder > 0

    def with_subset_seed(self, seed: int) -> SegmentationRecipe:
        """Return the recipe with another seed of the label budget's subjects."""
        if seed == self.subset_seed:
            return self
        return self.model_copy(update={"seeds": self.seeds.model_copy(update={"subset": seed})})

    def _more_faults(self) -> list[str]:
        faults = []
        if not self.loss.cross_entropy and not self.loss.dice:
            faults.append("loss.cross_entropy and loss.dice are both 0")
        if self.method == "scratch" and self.freeze_encoder:
            faults.append("freeze_encoder would keep random weights; from scratch there is nothing to keep")
        return faults
