"""Pictures of segmentations over slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cmr_ssp.exports.captures import overlay

_SIDE_PX = 220
_TITLE_PX = 18


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One slice with labels, both (row, column), and a title."""

    title: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8] | None


def save_overlays(path: Path, rows: Sequence[Sequence[Panel]]) -> None:
    """Write panels as one PNG with the given rows."""
    picture = np.concatenate([np.concatenate([_tile(panel) for panel in row], axis=1) for row in rows])
    Image.fromarray(picture).save(path)


def _tile(panel: Panel) -> NDArray[np.uint8]:
    colour = overlay(panel.image, panel.labels)
    rows, columns = panel.image.shape
    zoom = _SIDE_PX / max(rows, columns)
    size = (round(columns * zoom), round(rows * zoom))
    tile = Image.new("RGB", (_SIDE_PX + 4, _SIDE_PX + _TITLE_PX + 4), (20, 20, 20))
    enlarged = Image.fromarray(colour).resize(size, Image.Resampling.BICUBIC)
    tile.paste(enlarged, (2, _TITLE_PX + 2))
    ImageDraw.Draw(tile).text((6, 3), panel.title, fill=(230, 230, 230))
    return np.asarray(tile)
