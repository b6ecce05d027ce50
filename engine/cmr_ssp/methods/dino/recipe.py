"""The recipe of DINO."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cmr_ssp.recipes import Count, Fraction, Positive, PretrainRecipe, RecipeModel, blur_radius_px


class DinoHead(RecipeModel):
    """Settings of the projection head of DINO."""

    hidden: Count = Field(2048, title="Hidden width")
    bottleneck: Count = Field(256, title="Bottleneck", description="Width before the last layer")
    outputs: Annotated[int, Field(ge=2)] = Field(8192, title="Outputs", description="Number of prototypes")


class DinoViews(RecipeModel):
    """Differences between the views of DINO."""

    n_local: Annotated[int, Field(ge=0)] = Field(6, title="Local views")
    local_size_px: Count = Field(128, title="Local size", json_schema_extra={"unit": "px"})
    local_translation_px: Annotated[float, Field(ge=0)] = Field(
        160.0, title="Local translation", json_schema_extra={"unit": "px"}
    )
    local_scale: tuple[Positive, Positive] = Field((0.313, 0.524), title="Local zoom")
    blur_sigma_px: tuple[Positive, Positive] = Field(
        (0.1, 2.0),
        title="First view's blur",
        description="The first global view is always blurred",
        json_schema_extra={"unit": "px"},
    )
    solarise_p: Fraction = Field(
        0.2, title="Second view's solarisation", description="Probability, in the second global view"
    )


class TeacherSettings(RecipeModel):
    """Settings of DINO's teacher, a moving average of the student."""

    temperature: Positive = Field(0.04, title="Temperature")
    first_temperature: Positive = Field(0.02, title="First temperature")
    warmup: Fraction = Field(
        0.3,
        title="Temperature warm-up",
        description="Fraction of the training until the temperature is reached",
        json_schema_extra={"unit": "share"},
    )
    warmup_per: Literal["epoch", "update"] = Field(
        "update", title="Warm-up changes every", description="When the temperature changes"
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.996, title="Momentum", description="Initial momentum; rises to 1 by a cosine"
    )
    centre_momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, title="Momentum of the centre")
    starts_as_copy: bool = Field(
        True, title="Starts as a copy", description="Otherwise from other random weights, as in the paper"
    )


class DinoRecipe(PretrainRecipe):
    """Pretraining by DINO: a student predicts its teacher's output for other views."""

    method: Literal["dino"] = "dino"
    head: DinoHead = Field(DinoHead(), title="Head")
    views: DinoViews = Field(DinoViews(), title="Views")
    temperature: Positive = Field(0.1, title="Temperature", description="Of the student")
    teacher: TeacherSettings = Field(TeacherSettings(), title="Teacher")
    freeze_last_layer: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.01,
        title="Last layer frozen",
        description="Fraction of the training, from the start, with the last layer frozen",
        json_schema_extra={"unit": "share"},
    )

    @property
    def freezes(self) -> bool:
        """Whether the last layer is frozen for part of the training."""
        return self.freeze_last_layer > 0

    def _more_faults(self) -> list[str]:
        faults = []
        if (self.micro_batch or self.batch_size) < 2:
            faults.append("batch_size and micro_batch must be 2 or more for the head's batch norm")
        size, divisor = self.views.local_size_px, self.network.divisor
        if self.views.n_local and size % divisor:
            faults.append(f"views.local_size_px {size} is not a multiple of {divisor}")
        if self.views.n_local and size > self.crop.size_px:
            faults.append(f"views.local_size_px {size} is above crop.size_px {self.crop.size_px}")
        widest = max(self.views.blur_sigma_px)
        if blur_radius_px(widest) >= self.crop.size_px:
            faults.append(f"views.blur_sigma_px {widest} is too wide for crop.size_px {self.crop.size_px}")
        smallest = size if self.views.n_local else self.crop.size_px
        if blur_radius_px(max(self.augmentation.blur_sigma_px)) >= smallest:
            faults.append(f"augmentation.blur_sigma_px is too wide for a view of {smallest} px")
        return faults + [
            f"views.{name}: {low} is above {high}; write the smaller bound first"
            for name, (low, high) in (
                ("local_scale", self.views.local_scale),
                ("blur_sigma_px", self.views.blur_sigma_px),
            )
            if low > high
        ]
