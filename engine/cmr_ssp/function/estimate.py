"""The Dice to expect of a network's segmentation, from its certainty and from shapes, without a reference.

It says nothing about labels that were edited: the network's certainty concerns its own labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.function.flags import Flag, FlagCode, Gravity, Judged

LV, MYO, RV = Structure

SIGNS = (
    "certainty of LV",
    "certainty of MYO",
    "certainty of RV",
    "roughness of the epicardium",
    "border of the LV cavity that touches the RV",
    "slices with RV per slice with LV",
    "contraction",
)
"""What the estimate is computed from, in the order of `WEIGHTS`."""

WEIGHTS = (0.1131, 0.1687, 0.1444, -0.2233, -0.2793, 0.0980, -0.0532)
INTERCEPT = 0.4035
"""Ridge regression of the mean 3D Dice, weighted to Dice around 0.8.

Origin: 210 volumes of ACDC subjects that four networks (`scratch/cpu-small`, 2 to 8 labelled subjects, 200 to
700 updates, mean Dice 0.70 to 0.86) had not seen; computed by `benchmarks/quality_flags.py --pool --fit`.
Certainty alone is not enough: a network that overlooks the RV is sure of the rest.
"""

ENOUGH_DICE = 0.80
"""A mean 3D Dice below this is bad: it is that of a few labelled subjects, and volumes become unusable."""

UNSURE_BELOW = 0.81
"""Estimate below which a frame is flagged: to miss a bad frame is worse than to look at a good one."""

_LONGEST_RV = 1.2
_ROUGHEST = 1.0


def estimated_dice(judged: Judged, certainty: NDArray[np.float32]) -> NDArray[np.float64]:
    """Estimate the mean 3D Dice over LV, MYO and RV of each frame.

    Parameters
    ----------
    judged : Judged
        Of the network's segmentation.
    certainty : ndarray of float32, shape (frame, slice, structure, 2)
        As in `cmr_ssp.prediction.SegmentedStack`.

    Returns
    -------
    ndarray of float, shape (frame,)
        0 to 1; not a number where a structure is not labelled, or everywhere without ED and ES.
    """
    if len(judged.phases) < len(Phase):
        return np.full(judged.facts.n_frames, np.nan)
    dice = np.clip(signs(judged, certainty) @ np.array(WEIGHTS) + INTERCEPT, 0, 1)
    return np.asarray(np.where(judged.has(*Structure), dice, np.nan))


def unsure_flags(judged: Judged, certainty: NDArray[np.float32]) -> Iterator[Flag]:
    """Yield the frames whose estimated Dice is low; parameters as for `estimated_dice`."""
    for frame, dice in enumerate(estimated_dice(judged, certainty).tolist()):
        if dice < UNSURE_BELOW:
            sentence = f"The network is unsure: expect a Dice of about {dice:.2f}."
            yield Flag(FlagCode.UNSURE, Gravity.CHECK, sentence, dice, frame=frame)


def signs(judged: Judged, certainty: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what the estimate is computed from, shape (frame, sign); needs ED and ES."""
    facts = judged.facts
    overlap, total = np.moveaxis(certainty.sum(axis=1, dtype=float), -1, 0)
    sure = np.where(facts.pixels.sum(axis=1) > 0, 2 * overlap / np.maximum(total, 1e-9), 0.0)
    rough = np.clip(facts.roughness[..., MYO - 1] - 1, 0, _ROUGHEST)
    n_left, n_right = ((facts.count(structure) > 0).sum(axis=1) for structure in (LV, RV))
    lv_ml = judged.ml(LV)
    largest, smallest = (lv_ml[judged.phases[phase]] for phase in Phase)
    return np.column_stack(
        [
            sure,
            _mean(rough, facts.heart_pixels() > 0),
            _mean(facts.rv_share, facts.count(LV) > 0),
            np.minimum(n_right / np.maximum(n_left, 1), _LONGEST_RV),
            np.clip((largest - lv_ml) / max(largest - smallest, 1e-9), 0, 1),
        ]
    )


def _mean(values: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over the slices of each frame that count, 0 without any."""
    return np.asarray(np.where(where, values, 0).sum(axis=1) / np.maximum(where.sum(axis=1), 1))
