"""Flags that one slice raises by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import TITLES, Structure
from cmr_ssp.function import limits
from cmr_ssp.function.flags import Flag, FlagCode, Gravity, Judged
from cmr_ssp.function.shape_facts import ShapeFacts

LV, MYO, RV = Structure
_Values = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One thing that can be wrong with a slice.

    Attributes
    ----------
    code, gravity, structure
        As in `Flag`.
    needs : tuple of Structure
        Structures that have to be labelled in the frame.
    value : callable
        What is measured, shape (frame, slice); not a number where it says nothing.
    is_wrong : callable
        Which values are wrong.
    sentence : str
        With ``{value}``.
    unit : str
        Of the value.
    """

    code: FlagCode
    gravity: Gravity
    structure: Structure | None
    needs: tuple[Structure, ...]
    value: Callable[[ShapeFacts], _Values]
    is_wrong: Callable[[_Values], NDArray[np.bool_]]
    sentence: str
    unit: str = ""


def slice_flags(judged: Judged) -> Iterator[Flag]:
    """Yield the flags of all slices."""
    facts = judged.facts
    for rule in _RULES:
        values = rule.value(facts)
        wrong = rule.is_wrong(values) & judged.has(*rule.needs)[:, None]
        for frame, slice_index in np.argwhere(wrong).tolist():
            value = float(values[frame, slice_index])
            sentence = rule.sentence.format(value=value)
            yield Flag(
                rule.code, rule.gravity, sentence, value, rule.unit, frame, slice_index, rule.structure
            )


def _of_structure(structure: Structure) -> tuple[_Rule, ...]:
    """Return the rules that hold for every structure."""
    index, title = structure - 1, TITLES[structure]
    small = f"The {title} is very small; pixels: {{value:.0f}}."
    parts = f"The {title} has {{value:.0f}} separate parts."
    return (
        _Rule(
            FlagCode.FEW_PIXELS, Gravity.CHECK, structure, (structure,),
            lambda facts: facts.pixels[..., index],
            lambda n: (n > 0) & (n < limits.LEAST_PIXELS), small, "pixels",
        ),
        _Rule(
            FlagCode.SEVERAL_PARTS, Gravity.WRONG, structure, (structure,),
            lambda facts: facts.parts[..., index], lambda n: n > 1, parts,
        ),
    )  # fmt: skip


def _rough(structure: Structure, needs: tuple[Structure, ...], limit: float, title: str) -> _Rule:
    """Return the rule for outlines that are not smooth."""
    return _Rule(
        FlagCode.ROUGH, Gravity.CHECK, structure, needs,
        lambda facts: facts.roughness[..., structure - 1], lambda share: share > limit,
        f"The outline of the {title} is not smooth.",
    )  # fmt: skip


_RULES: tuple[_Rule, ...] = (
    *(rule for structure in Structure for rule in _of_structure(structure)),
    _rough(LV, (LV,), limits.MOST_ROUGH_LV, TITLES[LV]),
    _rough(MYO, (LV, MYO), limits.MOST_ROUGH_HEART, "epicardium"),
    _rough(RV, (RV,), limits.MOST_ROUGH_RV, TITLES[RV]),
    _Rule(
        FlagCode.OPEN_MYOCARDIUM, Gravity.WRONG, MYO, (LV, MYO),
        lambda facts: facts.open_share, lambda share: share > limits.MOST_OPEN_SHARE,
        "The myocardium is missing along {value:.0%} of the border of the LV cavity.",
    ),
    _Rule(
        FlagCode.RV_TOUCHES_LV, Gravity.WRONG, RV, (LV, MYO, RV),
        lambda facts: facts.rv_share, lambda share: share > limits.MOST_RV_SHARE,
        "The RV cavity touches {value:.0%} of the border of the LV cavity, without a septum between them.",
    ),
    _Rule(
        FlagCode.RV_INSIDE_LV, Gravity.WRONG, RV, (LV, RV),
        lambda facts: facts.rv_enclosed, lambda n: n > 0,
        "Pixels of the RV cavity lie within the LV: {value:.0f}.", "pixels",
    ),
    _Rule(
        FlagCode.HOLE, Gravity.WRONG, MYO, (LV, MYO),
        lambda facts: facts.enclosed, lambda n: n > 0,
        "Pixels within the LV are not labelled: {value:.0f}.", "pixels",
    ),
    _Rule(
        FlagCode.ELONGATED, Gravity.CHECK, MYO, (LV, MYO),
        lambda facts: facts.elongation, lambda ratio: ratio > limits.MOST_ELONGATED,
        "The LV with its wall is {value:.1f} times as long as wide.",
    ),
    _Rule(
        FlagCode.THIN_WALL, Gravity.CHECK, MYO, (LV, MYO),
        lambda facts: facts.wall_mm, lambda mm: mm < limits.THINNEST_WALL_MM,
        "The wall of the LV is only {value:.1f} mm thick on average.", "mm",
    ),
    _Rule(
        FlagCode.THICK_WALL, Gravity.CHECK, MYO, (LV, MYO),
        lambda facts: facts.wall_mm, lambda mm: mm > limits.THICKEST_WALL_MM,
        "The wall of the LV is {value:.0f} mm thick on average.", "mm",
    ),
)  # fmt: skip
