"""Settings of recipes as frozen models, which reject unknown, invalid and contradictory settings."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Range = tuple[float, float]
LARGEST_SEED = 2**63 - 1
"""Range of seeds accepted by torch."""


class RecipeModel(BaseModel):
    """Frozen settings; unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ContradictionError(ValueError):
    """Valid settings that contradict each other; each fault begins with the key to change."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


class NetworkSettings(RecipeModel):
    """Sizes of the U-Net."""

    channels: tuple[Count, ...] = Field(
        (32, 64, 128, 256, 512, 512, 512),
        min_length=2,
        title="Channels",
        description="Width of each resolution, highest first",
    )

    @property
    def divisor(self) -> int:
        """Number that must divide the sides of an image."""
        return 1 << (len(self.channels) - 1)


class Crop(RecipeModel):
    """The square that the network receives."""

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
        description="Centre of the crop: the moving heart or the middle of the image",
    )


class Augmentation(RecipeModel):
    """Random changes of a view; ranges are (low, high), probabilities 0 to 1."""

    translation_px: Annotated[float, Field(ge=0)] = Field(
        40.0,
        title="Translation",
        description="Largest shift along rows and columns",
        json_schema_extra={"unit": "px"},
    )
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = Field(
        180.0,
        title="Rotation",
        description="Largest angle in either direction",
        json_schema_extra={"unit": "degrees"},
    )
    scale: tuple[Positive, Positive] = Field((0.7, 1.4), title="Zoom", description="Range of the factor")
    flip_p: Fraction = Field(0.5, title="Flip probability", description="Of each axis")
    noise_p: Fraction = Field(0.2, title="Noise probability")
    noise_sd: Annotated[float, Field(ge=0)] = Field(
        0.2, title="Noise level", description="Largest standard deviation, in standard deviations of the cine"
    )
    blur_p: Fraction = Field(0.2, title="Blur probability")
    blur_sigma_px: tuple[Positive, Positive] = Field(
        (0.5, 1.5),
        title="Blur width",
        description="Range of the Gaussian's standard deviation",
        json_schema_extra={"unit": "px"},
    )
    blur_border: Literal["reflect", "zeros"] = Field(
        "reflect",
        title="Blur beyond the border",
        description="Mirror the image, or pad with the mean of the cine (zeros) as in the authors' code",
    )
    multiply_p: Fraction = Field(1.0, title="Contrast probability")
    multiply: tuple[Positive, Positive] = Field(
        (0.6, 1.5), title="Contrast", description="Range of the intensity factor"
    )
    shift_p: Fraction = Field(1.0, title="Brightness probability")
    shift: Range = Field(
        (-0.4, 0.4), title="Brightness", description="Range of the added offset, in standard deviations"
    )
    gamma_p: Fraction = Field(1.0, title="Gamma probability")
    gamma: tuple[Positive, Positive] = Field((0.7, 1.5), title="Gamma", description="Range of the exponent")
    solarise_p: Fraction = Field(
        0.0,
        title="Solarisation probability",
        description="Of inverting values above the mean",
    )

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


def seed_field(title: str, description: str) -> Any:
    """Return the field of a seed that may differ from that of the recipe."""
    extra: dict[str, Any] = {"none": "as the seed"}
    return Field(None, ge=0, le=LARGEST_SEED, title=title, description=description, json_schema_extra=extra)


class Seeds(RecipeModel):
    """Separate seeds, to vary one source of randomness while the others stay fixed."""

    weights: int | None = seed_field("Weights", "Of the initial weights")
    order: int | None = seed_field("Order", "Of batches, augmentation and hidden patches")


class Optimiser(RecipeModel):
    """Settings of the optimiser."""

    name: Literal["sgd", "adamw"] = Field("sgd", title="Kind")
    learning_rate: Positive = Field(
        0.01, title="Learning rate", description="Highest learning rate; see the schedule"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(3e-5, title="Weight decay")
    decay_all: bool = Field(
        True,
        title="Decay everything",
        description="Otherwise biases and normalisation layers are not decayed",
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.99, title="Momentum", description="Of SGD")
    nesterov: bool = Field(True, title="Nesterov momentum", description="Of SGD")
    max_gradient_norm: Positive | None = Field(
        None,
        title="Longest gradient",
        description="Clip longer gradients to this length",
        json_schema_extra={"none": "not clipped"},
    )


class Schedule(RecipeModel):
    """Schedule of the learning rate."""

    name: Literal["cosine", "polynomial", "constant"] = Field("polynomial", title="Shape")
    power: Positive = Field(0.9, title="Power", description="Exponent of the polynomial schedule")
    warmup: Fraction = Field(
        0.0,
        title="Warm-up",
        description="Fraction of the training over which the rate rises from zero",
        json_schema_extra={"unit": "share"},
    )
    lowest: Annotated[float, Field(ge=0)] = Field(
        0.0, title="Lowest rate", description="Final rate of the cosine schedule"
    )
    per: Literal["epoch", "update"] = Field(
        "epoch", title="Changes every", description="When the rate changes"
    )


def blur_radius_px(sigma_px: float) -> int:
    """Return the radius of the blur kernel for a Gaussian of this width."""
    return math.ceil(4 * sigma_px)


class Recipe(RecipeModel):
    """All settings of a run; this base class has those of every method."""

    compares_batch: ClassVar[bool] = False
    """Whether the loss compares slices of a batch with each other, so that micro-batches would change it."""

    method: str
    epochs: Count | None = Field(
        None, title="Epochs", description="Passes over the slices; give this or updates"
    )
    updates: Count | None = Field(None, title="Updates", description="Optimiser steps; give this or epochs")
    batch_size: Count = Field(32, title="Batch size", description="Slices per update")
    micro_batch: Count | None = Field(
        None,
        title="Micro-batch",
        description="Slices per forward pass if a batch does not fit into memory",
        json_schema_extra={"none": "whole batch"},
    )
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = Field(
        0, title="Seed", description="Of all random numbers"
    )
    precision: Literal["auto", "bf16-mixed", "16-mixed", "32-true"] = Field(
        "auto", title="Precision", description="auto: bfloat16 if the processor supports it"
    )
    threads: Count | None = Field(
        None,
        title="Threads",
        description="CPU threads; by default all available",
        json_schema_extra={"none": "automatic"},
    )
    checkpoint_every: Count = Field(
        200, title="Checkpoint every", description="Updates between two checkpoints"
    )
    validate_at: Literal["checkpoint", "epoch", "never"] = Field(
        "checkpoint",
        title="Validate at",
        description="When to validate: at every checkpoint, after every epoch, never",
    )
    network: NetworkSettings = Field(NetworkSettings(), title="Network")
    crop: Crop = Field(Crop(), title="Crop")
    augmentation: Augmentation = Field(Augmentation(), title="Augmentation")
    optimiser: Optimiser = Field(Optimiser(), title="Optimiser")
    schedule: Schedule = Field(Schedule(), title="Schedule")
    seeds: Seeds = Field(Seeds(), title="Separate seeds")

    @property
    def freezes(self) -> bool:
        """Whether a part of the network is frozen for part of the training."""
        return False

    @property
    def average_decay(self) -> float | None:
        """Decay of a moving average of the weights, which predicts in their place; None without one."""
        return None

    @property
    def weights_seed(self) -> int:
        """Seed of the initial weights."""
        return self.seed if self.seeds.weights is None else self.seeds.weights

    @property
    def order_seed(self) -> int:
        """Seed of batches, augmentation and hidden patches in training."""
        return self.seed if self.seeds.order is None else self.seeds.order

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if (self.epochs is None) == (self.updates is None):
            faults.append("give either epochs or updates")
        if self.crop.size_px % self.network.divisor:
            faults.append(
                f"crop.size_px {self.crop.size_px} is not a multiple of {self.network.divisor}, as "
                f"{len(self.network.channels)} resolutions need"
            )
        if self.micro_batch is not None and self.batch_size % self.micro_batch:
            faults.append(f"batch_size {self.batch_size} is not a multiple of micro_batch {self.micro_batch}")
        if self.schedule.lowest and self.schedule.name != "cosine":
            faults.append("schedule.lowest is only for a cosine")
        if self.optimiser.name == "sgd" and self.optimiser.nesterov and not self.optimiser.momentum:
            faults.append("optimiser.nesterov needs an optimiser.momentum above 0")
        if (self.micro_batch or self.batch_size) == 1 and self.crop.size_px == self.network.divisor:
            faults.append("batch_size 1 with one pixel at the lowest resolution cannot be normalised")
        if blur_radius_px(max(self.augmentation.blur_sigma_px)) >= self.crop.size_px:
            faults.append(f"augmentation.blur_sigma_px is too wide for crop.size_px {self.crop.size_px}")
        if self.schedule.lowest > self.optimiser.learning_rate:
            faults.append(f"schedule.lowest {self.schedule.lowest} is above optimiser.learning_rate")
        faults += self._more_faults()
        if faults:
            raise ContradictionError(faults)
        return self

    def _more_faults(self) -> list[str]:
        return []
