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


class ContradictionError(ValueError):
    """Settings that are possible alone but not together; each fault begins with the key to change."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


class Network(_Settings):
    """Sizes of the U-Net."""

    channels: tuple[Count, ...] = Field(
        (32, 64, 128, 256, 512, 512, 512),
        min_length=2,
        title="Channels",
        description="Width of each resolution, highest first",
    )

    @property
    def divisor(self) -> int:
        """What the sides of an image must divide by."""
        return 1 << (len(self.channels) - 1)


class Crop(_Settings):
    """The square that the network sees."""

    size_px: Count = Field(
        256, title="Size", description="Side of the crop in pixels", json_schema_extra={"unit": "px"}
    )
    spacing_mm: Positive = Field(
        1.25,
        title="Pixel spacing",
        description="Pixel spacing after resampling, in mm",
        json_schema_extra={"unit": "mm"},
    )
    centre: Literal["motion", "image"] = Field(
        "motion",
        title="Centre on",
        description="Centre the crop on the moving heart or on the middle of the image",
    )


class Augmentation(_Settings):
    """Random changes of a view; ranges are (low, high), probabilities 0 to 1."""

    translation_px: Annotated[float, Field(ge=0)] = Field(
        40.0,
        title="Translation",
        description="Furthest shift along rows and along columns",
        json_schema_extra={"unit": "px"},
    )
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = Field(
        180.0, title="Rotation", description="Furthest turn either way", json_schema_extra={"unit": "degrees"}
    )
    scale: tuple[Positive, Positive] = Field((0.7, 1.4), title="Zoom", description="Range of the factor")
    flip_p: Fraction = Field(0.5, title="Flip probability", description="Of each of the two axes")
    noise_p: Fraction = Field(0.2, title="Noise probability")
    noise_sd: Annotated[float, Field(ge=0)] = Field(
        0.2, title="Noise level", description="Largest standard deviation, in those of the image"
    )
    blur_p: Fraction = Field(0.2, title="Blur probability")
    blur_sigma_px: tuple[Positive, Positive] = Field(
        (0.5, 1.5),
        title="Blur width",
        description="Range of the Gaussian's",
        json_schema_extra={"unit": "px"},
    )
    multiply_p: Fraction = Field(1.0, title="Contrast probability")
    multiply: tuple[Positive, Positive] = Field(
        (0.6, 1.5), title="Contrast", description="Range of the factor on the intensities"
    )
    shift_p: Fraction = Field(1.0, title="Brightness probability")
    shift: Range = Field(
        (-0.4, 0.4), title="Brightness", description="Range of what is added, in standard deviations"
    )
    gamma_p: Fraction = Field(1.0, title="Gamma probability")
    gamma: tuple[Positive, Positive] = Field((0.7, 1.5), title="Gamma", description="Range of the exponent")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        faults = []
        for name in ("scale", "blur_sigma_px", "multiply", "shift", "gamma"):
            low, high = getattr(self, name)
            if low > high:
                faults.append(f"{name}: {low} is above {high}; write the smaller bound first")
        if faults:
            raise ContradictionError(faults)
        return self


class Optimiser(_Settings):
    """What turns gradients into updates."""

    name: Literal["sgd", "adamw"] = Field("sgd", title="Kind")
    learning_rate: Positive = Field(
        0.01, title="Learning rate", description="The highest; the schedule says how it falls"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(3e-5, title="Weight decay")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.99, title="Momentum", description="Of SGD")
    nesterov: bool = Field(True, title="Nesterov momentum", description="Of SGD")
    max_gradient_norm: Positive | None = Field(
        None,
        title="Longest gradient",
        description="Clip longer gradients to this length",
        json_schema_extra={"none": "not clipped"},
    )


class Schedule(_Settings):
    """How the learning rate falls."""

    name: Literal["cosine", "polynomial", "constant"] = Field("polynomial", title="Shape")
    power: Positive = Field(0.9, title="Power", description="Of the polynomial")
    warmup: Fraction = Field(
        0.0,
        title="Warm-up",
        description="Part of the training over which the rate climbs from zero",
        json_schema_extra={"unit": "share"},
    )
    per: Literal["epoch", "update"] = Field(
        "epoch", title="Changes every", description="When the rate changes"
    )


class PatchMask(_Settings):
    """The patches that masked image modelling hides."""

    patch_px: Count = Field(
        32, title="Patch size", description="Side of a patch in pixels", json_schema_extra={"unit": "px"}
    )
    hidden: Fraction = Field(
        0.75, title="Hidden share", description="Share of the patches that is hidden, exactly"
    )


class SegmentationLoss(_Settings):
    """Cross-entropy plus soft Dice, at every resolution but the lowest."""

    cross_entropy: Annotated[float, Field(ge=0)] = Field(0.5, title="Weight of cross-entropy")
    dice: Annotated[float, Field(ge=0)] = Field(0.5, title="Weight of Dice")
    smoothing: Positive = Field(
        1e-5, title="Smoothing", description="Added above and below the Dice's fraction line"
    )
    deep_supervision: bool = Field(
        True, title="Deep supervision", description="Losses at the lower resolutions too"
    )


class Prediction(_Settings):
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


class _TrainingRecipe(_Settings):
    """What every stage shares."""

    epochs: Count | None = Field(
        None, title="Epochs", description="Passes over the slices; give this or updates"
    )
    updates: Count | None = Field(None, title="Updates", description="Optimiser steps; give this or epochs")
    batch_size: Count = Field(32, title="Batch size", description="Slices that one update looks at")
    micro_batch: Count | None = Field(
        None,
        title="Micro-batch",
        description="Slices at once where a batch does not fit in memory",
        json_schema_extra={"none": "whole batch"},
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, title="Seed", description="Of everything that is drawn")
    precision: Literal["auto", "bf16-mixed", "16-mixed", "32-true"] = Field(
        "auto", title="Precision", description="auto: bfloat16 where the processor has it"
    )
    threads: Count | None = Field(
        None,
        title="Threads",
        description="Processor threads; default all but what else runs",
        json_schema_extra={"none": "automatic"},
    )
    checkpoint_every: Count = Field(
        200, title="Checkpoint every", description="Updates between two validations and checkpoints"
    )
    network: Network = Field(Network(), title="Network")
    crop: Crop = Field(Crop(), title="Crop")
    augmentation: Augmentation = Field(Augmentation(), title="Augmentation")
    optimiser: Optimiser = Field(Optimiser(), title="Optimiser")
    schedule: Schedule = Field(Schedule(), title="Schedule")

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
            raise ContradictionError(faults)
        return self

    def _more_faults(self) -> list[str]:
        return []


class MimRecipe(_TrainingRecipe):
    """Pretraining by masked image modelling."""

    method: Literal["mim"] = "mim"
    mask: PatchMask = Field(PatchMask(), title="Mask")

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
    loss: SegmentationLoss = Field(SegmentationLoss(), title="Loss")
    freeze_encoder: Fraction = Field(
        0.0,
        title="Encoder frozen",
        description="First part of the training with the encoder frozen",
        json_schema_extra={"unit": "share"},
    )
    prediction: Prediction = Field(Prediction(), title="Prediction")


Recipe = MimRecipe | SegmentationRecipe
