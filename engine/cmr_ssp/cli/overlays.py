"""A picture of segmentations laid over slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cmr_ssp.anatomy import Structure

COLOURS = {Structure.LV: (230, 75, 60), Structure.MYO: (80, 200, 120), Structure.RV: (70, 140, 240)}
_SIDE_PX = 220
_TITLE_PX = 18
_OPACITY = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One slice with its labels, both (row, column), and what stands above it."""

    title: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8] | None


def save_overlays(path: Path, rows: Sequence[Sequence[Panel]]) -> None:
    """Write panels as one PNG, a row of the sequence a row of the picture."""
    picture = np.concatenate([np.concatenate([_tile(panel) for panel in row], axis=1) for row in rows])
    Image.fromarray(picture).save(path)


def _tile(panel: Panel) -> NDArray[np.uint8]:
    low, high = np.percentile(panel.image, (1, 99.5))
    grey = np.clip((panel.image - low) / max(high - low, 1e-6), 0, 1) * 255
    colour = np.repeat(grey[..., None], 3, axis=2)
    for structure, rgb in COLOURS.items() if panel.labels is not None else ():
        here = panel.labels == structure
        colour[here] = (1 - _OPACITY) * colour[here] + _OPACITY * np.array(rgb)
    rows, columns = grey.shape
    zoom = _SIDE_PX / max(rows, columns)
    size = (round(columns * zoom), round(rows * zoom))
    tile = Image.new("RGB", (_SIDE_PX + 4, _SIDE_PX + _TITLE_PX + 4), (20, 20, 20))
    enlarged = Image.fromarray(colour.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    tile.paste(enlarged, (2, _TITLE_PX + 2))
    ImageDraw.Draw(tile).text((6, 3), panel.title, fill=(230, 230, 230))
    return np.asarray(tile)
