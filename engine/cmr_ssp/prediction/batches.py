"""Batches of slices of one cine with a common crop centre, on the device of the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_ssp.recipes import Crop
from cmr_ssp.samples.resampling import SliceBatch
from cmr_ssp.subjects import Frames

InPlane = tuple[float, float]
Place = tuple[int, int]
"""A frame and a slice."""

_MOST_SLICES = 32
# On a CPU, where larger batches are slower: memory of feature maps of 32 MB and more is not reused.
_MOST_PIXELS = 4 * 256**2


def crop_centre(shape: tuple[int, ...], heart_px: InPlane, crop: Crop) -> InPlane:
    """Return the centre of the recipe's crop in slices of a shape (..., row, column)."""
    return heart_px if crop.centre == "motion" else ((shape[-2] - 1) / 2, (shape[-1] - 1) / 2)


class Slices:
    """Slices of several frames as one sequence (slice, row, column), read on demand."""

    def __init__(self, levels: Frames, frames: Sequence[int]) -> None:
        self._levels, self._frames = levels, frames
        self._kept: tuple[int, NDArray[np.floating]] | None = None
        self.shape = (len(frames) * levels.shape[1], *levels.shape[2:])

    def __len__(self) -> int:
        """Return the number of slices of all frames together."""
        return self.shape[0]

    def __getitem__(self, part: slice) -> NDArray[np.floating]:
        """Return the selected slices."""
        return np.stack([self._image(*self.place(number)) for number in range(len(self))[part]])

    def place(self, number: int) -> Place:
        """Return the position in `frames`, and the slice within that frame."""
        return divmod(number, self._levels.shape[1])

    def place_in_cine(self, number: int) -> Place:
        """Return the frame of the cine, and the slice."""
        place, slice_ = self.place(number)
        return self._frames[place], slice_

    def _image(self, place: int, k: int) -> NDArray[np.floating]:
        if self._kept is None or self._kept[0] != place:
            self._kept = None  # two frames may not fit into memory
            self._kept = place, self._levels[self._frames[place]]
        image: NDArray[np.floating] = self._kept[1][k]
        return image


def slice_batches(
    levels: NDArray[np.floating] | Slices,
    mean: float,
    spacing_mm: InPlane,
    centre_px: InPlane,
    crop: Crop,
    device: torch.device,
    starts: Iterable[int] | None = None,
) -> Iterator[SliceBatch]:
    """Yield batches of slices (slice, row, column) that share a crop centre.

    `starts` are the first slices of the batches in another order than from first to last; see `batch_starts`.
    """
    step = slices_at_once(crop, device)
    for start in range(0, len(levels), step) if starts is None else starts:
        part = torch.from_numpy(np.asarray(levels[start : start + step], dtype=np.float32))
        n = len(part)
        yield SliceBatch(
            part[:, None].to(device),
            None,
            torch.tensor([centre_px], dtype=torch.float32, device=device).expand(n, 2),
            torch.tensor([spacing_mm], dtype=torch.float32, device=device).expand(n, 2),
            torch.full((n,), mean, device=device),
        )


def batch_starts(slices: Slices, crop: Crop, device: torch.device, near: Place | None) -> list[int]:
    """Return the first slice of each batch, that with the slices nearest to a place first.

    Batches contain the same slices in any order, since what a network computes for a slice may depend, in the
    last bits, on the others in its batch.
    """
    step = slices_at_once(crop, device)
    starts = list(range(0, len(slices), step))
    if near is None:
        return starts

    def distance(start: int) -> tuple[int, int]:
        places = (slices.place_in_cine(number) for number in range(start, min(start + step, len(slices))))
        return min((abs(frame - near[0]), abs(slice_ - near[1])) for frame, slice_ in places)

    return sorted(starts, key=distance)


def slices_at_once(crop: Crop, device: torch.device) -> int:
    """Return the number of slices per batch for a crop."""
    fitting = max(1, _MOST_PIXELS // crop.size_px**2) if device.type == "cpu" else _MOST_SLICES
    return min(_MOST_SLICES, fitting)
