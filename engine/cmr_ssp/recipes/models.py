"""Recipes as frozen models: unknown keys, impossible and contradictory settings are refused."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Range = tuple[float, float]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Network(_Settings):
    """Sizes of the U-Net."""

    channels: tuple[Count, ...] = Field(
        (32, 64, 128, 256, 512, 512, 512), min_length=2, description="Width of each resolution, highest first"
    )

    @property
    def divisor(self) -> int:
        """What the sides of an image must divide by."""
        return 1 << (len(self.channels) - 1)


class Crop(_Settings):
    """The square that the network sees."""

    size_px: Count = Field(256, description="Side of the crop in pixels")
    spacing_mm: Positive = Field(1.25, description="Pixel spacing after resampling, in mm")
    centre: Literal["motion", "image"] = Field(
        "motion", description="Centre the crop on the moving heart or on the middle of the image"
    )


class Augmentation(_Settings):
    """Random changes of a view; ranges are (low, high), probabilities 0 to 1."""

    translation_px: Annotated[float, Field(ge=0)] = 40.0
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 180.0
    scale: tuple[Positive, Positive] = (0.7, 1.4)
    flip_p: Fraction = 0.5
    noise_p: Fraction = 0.2
    noise_sd: Annotated[float, Field(ge=0)] = 0.2
    blur_p: Fraction = 0.2
    blur_sigma_px: tuple[Positive, Positive] = (0.5, 1.5)
    multiply_p: Fraction = 1.0
    multiply: tuple[Positive, Positive] = (0.6, 1.5)
    shift_p: Fraction = 1.0
    shift: Range = (-0.4, 0.4)
    gamma_p: Fraction = 1.0
    gamma: tuple[Positive, Positive] = (0.7, 1.5)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("scale", "blur_sigma_px", "multiply", "shift", "gamma"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: {low} is above {high}; write the smaller bound first")
        return self


class Optimiser(_Settings):
    """What turns gradients into updates."""

    name: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive = 0.01
    weight_decay: Annotated[float, Field(ge=0)] = 3e-5
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.99, description="Of SGD")
    nesterov: bool = Field(True, description="Of SGD")
    max_gradient_norm: Positive | None = Field(None, description="Clip longer gradients to this length")


class Schedule(_Settings):
    """How the learning rate falls."""

    name: Literal["cosine", "polynomial", "constant"] = "polynomial"
    power: Positive = Field(0.9, description="Of the polynomial")
    warmup: Fraction = Field(0.0, description="Part of the training over which the rate climbs from zero")
    per: Literal["epoch", "update"] = Field("epoch", description="When the rate changes")


class PatchMask(_Settings):
    """The patches that masked image modelling hides."""

    patch_px: Count = 32
    hidden: Fraction = Field(0.75, description="Share of the patches that is hidden, exactly")


class SegmentationLoss(_Settings):
    """Cross-entropy plus soft Dice, at every resolution but the lowest."""

    cross_entropy: Annotated[float, Field(ge=0)] = 0.5
    dice: Annotated[float, Field(ge=0)] = 0.5
    smoothing: Positive = 1e-5
    deep_supervision: bool = True


class Prediction(_Settings):
    """How a stack is segmented."""

    flips: bool = Field(False, description="Average over the four flips of every slice")
    recentre: bool = Field(False, description="Segment twice, the second time around what was found")
    largest_component: bool = Field(False, description="Keep the largest piece of every structure and frame")


class _TrainingRecipe(_Settings):
    """What every stage shares."""

    epochs: Count | None = Field(None, description="Passes over the slices; give this or updates")
    updates: Count | None = Field(None, description="Optimiser steps; give this or epochs")
    batch_size: Count = 32
    micro_batch: Count | None = Field(None, description="Slices at once where a batch does not fit in memory")
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["auto", "bf16-mixed", "16-mixed", "32-true"] = Field(
        "auto", description="auto: bfloat16 where the processor has it"
    )
    threads: Count | None = Field(None, description="Processor threads; default all but what else runs")
    checkpoint_every: Count = Field(200, description="Updates between two validations and checkpoints")
    network: Network = Network()
    crop: Crop = Crop()
    augmentation: Augmentation = Augmentation()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if (self.epochs is None) == (self.updates is None):
            faults.append("give either epochs or updates")
        if self.crop.size_px % self.network.divisor:
            faults.append(
                f"crop.size_px {self.crop.size_px} does not divide by {self.network.divisor}, as "
                f"{len(self.network.channels)} resolutions need"
            )
        if self.micro_batch is not None and self.batch_size % self.micro_batch:
            faults.append(f"batch_size {self.batch_size} is no multiple of micro_batch {self.micro_batch}")
        faults += self._more_faults()
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _more_faults(self) -> list[str]:
        return []


class MimRecipe(_TrainingRecipe):
    """Pretraining by masked image modelling."""

    method: Literal["mim"] = "mim"
    mask: PatchMask = PatchMask()

    def _more_faults(self) -> list[str]:
        size, patch = self.crop.size_px, self.mask.patch_px
        if size % patch:
            return [f"mask.patch_px {patch} does not divide crop.size_px {size}"]
        hidden = round(self.mask.hidden * (size // patch) ** 2)
        if not 0 < hidden < (size // patch) ** 2:
            return [f"mask.hidden {self.mask.hidden} hides all or none of the patches"]
        return []


class SegmentationRecipe(_TrainingRecipe):
    """Training on labels: fine-tuning a pretrained network, or from scratch."""

    method: Literal["finetune", "scratch"]
    loss: SegmentationLoss = SegmentationLoss()
    freeze_encoder: Fraction = Field(0.0, description="First part of the training with the encoder frozen")
    prediction: Prediction = Prediction()


Recipe = MimRecipe | SegmentationRecipe
