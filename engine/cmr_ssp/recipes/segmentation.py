"""The recipe of fine-tuning and of training from scratch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cmr_ssp.recipes.models import Fraction, Positive, Recipe, RecipeModel, Seeds, seed_field


class SegmentationLoss(RecipeModel):
    """Cross-entropy plus soft Dice, at every resolution except the lowest."""

    cross_entropy: Annotated[float, Field(ge=0)] = Field(0.5, title="Weight of cross-entropy")
    dice: Annotated[float, Field(ge=0)] = Field(0.5, title="Weight of Dice")
    smoothing: Positive = Field(
        1e-5, title="Smoothing", description="Added to numerator and denominator of the Dice"
    )
    deep_supervision: bool = Field(
        True, title="Deep supervision", description="Also compute the loss at lower resolutions"
    )


class PredictionSettings(RecipeModel):
    """Settings of segmentation."""

    flips: bool = Field(
        False, title="Average over flips", description="Average over the four flips of every slice"
    )
    recentre: bool = Field(
        False, title="Segment twice", description="Segment twice, the second time centred on the first result"
    )
    largest_component: bool = Field(
        False,
        title="Largest component only",
        description="Keep the largest connected component of each structure in each frame",
    )


class PseudoLabelSettings(RecipeModel):
    """How segmentations of unlabelled subjects by an earlier network train, where there are any."""

    share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, title="Share", description="Of the slices of a batch", json_schema_extra={"unit": "share"}
    )
    weight: Annotated[float, Field(ge=0)] = Field(
        0.5, title="Weight", description="Of their loss; that of labels is 1"
    )
    until: Fraction = Field(
        0.8,
        title="Until",
        description="Fraction of the training after which labels train alone",
        json_schema_extra={"unit": "share"},
    )


class SegmentationSeeds(Seeds):
    """Separate seeds, including that of the label budget."""

    subset: int | None = seed_field("Subset", "Of the draw of labelled subjects")


class SegmentationRecipe(Recipe):
    """Recipe of training on labels: fine-tuning, or from scratch."""

    method: Literal["finetune", "scratch"]
    seeds: SegmentationSeeds = Field(SegmentationSeeds(), title="Seeds set apart")
    loss: SegmentationLoss = Field(SegmentationLoss(), title="Loss")
    freeze_encoder: Fraction = Field(
        0.0,
        title="Encoder frozen",
        description="Fraction of the training, from the start, with the encoder frozen",
        json_schema_extra={"unit": "share"},
    )
    moving_average: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        title="Moving average",
        description="Predict with an average of the weights over updates, which decays by this factor",
        json_schema_extra={"none": "off"},
    )
    pseudo_labels: PseudoLabelSettings = Field(PseudoLabelSettings(), title="Pseudo-labels")
    prediction: PredictionSettings = Field(PredictionSettings(), title="Prediction")

    @property
    def average_decay(self) -> float | None:
        """Decay of a moving average of the weights, which predicts in their place; None without one."""
        return self.moving_average

    @property
    def subset_seed(self) -> int:
        """Seed of the subjects of a label budget."""
        return self.seed if self.seeds.subset is None else self.seeds.subset

    @property
    def freezes(self) -> bool:
        """Whether the encoder is frozen for part of the training."""
        return self.freeze_encoder > 0

    def with_subset_seed(self, seed: int) -> SegmentationRecipe:
        """Return the recipe with another seed of the label budget."""
        if seed == self.subset_seed:
            return self
        return self.model_copy(update={"seeds": self.seeds.model_copy(update={"subset": seed})})

    def _more_faults(self) -> list[str]:
        faults = []
        if not self.loss.cross_entropy and not self.loss.dice:
            faults.append("loss.cross_entropy and loss.dice are both 0")
        if self.method == "scratch" and self.freeze_encoder:
            faults.append("freeze_encoder would keep random weights in training from scratch")
        return faults
