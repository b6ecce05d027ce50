"""A slice of a bank as a dictionary of tensors, as PyTorch data loaders expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from cmr_ssp.samples.bank.slices import SliceBank


class SliceItem(TypedDict):
    """One slice on its own grid.

    Attributes
    ----------
    image : Tensor of float32, shape (1, row, column)
        Standardised with the mean and standard deviation of the whole cine.
    labels : Tensor of uint8, shape (1, row, column)
        0 or a `Structure` number; all 0 if the slice is not labelled.
    drawn : Tensor of bool, shape (structure,)
        Structures that are labelled, in the order of `Structure`.
    spacing_mm, heart_px : Tensor of float32, shape (2,)
        Pixel spacing and heart centre, both (row, column).
    subject : str
        Subject id.
    frame, slice : int
        Counted from 0.
    """

    image: Tensor
    labels: Tensor
    drawn: Tensor
    spacing_mm: Tensor
    heart_px: Tensor
    subject: str
    frame: int
    slice: int


def slice_item(bank: SliceBank, sample: int) -> SliceItem:
    """Return one slice of a bank as tensors."""
    entry, drawing = bank.index[sample], bank.labels(sample)
    image = torch.from_numpy(bank.image(sample)).float() - float(entry["mean"])
    labels = torch.zeros(image.shape, dtype=torch.uint8) if drawing is None else torch.tensor(drawing)
    return SliceItem(
        image=image[None],
        labels=labels[None],
        drawn=torch.from_numpy(bank.drawn(np.array([sample]))[0]),
        spacing_mm=torch.tensor(entry["spacing_mm"], dtype=torch.float32),
        heart_px=torch.tensor(entry["heart_px"], dtype=torch.float32),
        subject=bank.subject_ids[entry["subject"]],
        frame=int(entry["frame"]),
        slice=int(entry["slice"]),
    )


def equally_large(items: Sequence[SliceItem]) -> list[SliceItem]:
    """Pad items to a common size, at the bottom and right, so that they can be stacked.

    Images are padded with the lowest value of their slice, labels with background.
    """
    rows, columns = (max(item["image"].shape[axis] for item in items) for axis in (1, 2))
    grown = []
    for item in items:
        image, labels = item["image"], item["labels"]
        margin = (0, columns - image.shape[2], 0, rows - image.shape[1])
        darkest = float(image.min())
        padded = {
            "image": functional.pad(image, margin, value=darkest),
            "labels": functional.pad(labels, margin),
        }
        grown.append(SliceItem(**{**item, **padded}))  # type: ignore[typeddict-item]
    return grown
