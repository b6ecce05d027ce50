"""The peer of `bank_preparation`: what the paper's authors' published code does to cines before training.

Written anew, with their steps, data types and copies: (1) read the cine as float64 to find the all-zero
border, write the cropped cine, axes swapped, back as ``.nii.gz`` and its labelled frames as a second
file; (2) MONAI dictionary transforms, each on a deep copy of the item: load, channel first, 4D, subtract
the minimum, note the cine's numbers and the labels' place, split into frames and then slices; (3) one
``torch.save`` and one row of a table a slice. Left out, in their favour: the smallest circle around the
labels, in pure Python.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from cmr_ssp.subjects import Subject
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, DeleteItemsd, EnsureChannelFirstd, LoadImaged, MapTransform, ToTensord

Item = dict[str, Any]

IMAGE, LABEL = "image", "label"
SWAP_ROWS_AND_COLUMNS = np.array([[1.0, 1.0], [0.0, 1.0], [2.0, 1.0]])


def prepare(subjects: Sequence[Subject], folder: Path) -> None:
    """Turn cines into one file a slice."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "reformatted").mkdir(parents=True)
    items = [_reformat(subject, folder / "reformatted") for subject in subjects]
    table = pd.DataFrame()
    for slices in DataLoader(Dataset(items, _transform()), batch_size=1, num_workers=0, collate_fn=_flat):
        for item in slices:
            about = item["about"]
            name = f"{about['subject']}-{about['slice']:02}-{about['frame']:02}"
            torch.save(item, folder / f"{name}.pt")
            row = pd.DataFrame([about | {"file": name}])
            table = row if table.empty else pd.concat([table, row], ignore_index=True)
    table.to_csv(folder / "table.csv")


def _reformat(subject: Subject, folder: Path) -> Item:
    """Write cine and labelled frames without their border."""
    cine = nib.load(subject.frames[0].path)
    summed = cine.get_fdata().sum(axis=(2, 3))
    rows, columns = (np.nonzero(summed.any(axis=axis))[0] for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    drawings = [nib.load(label.source.path) for label in subject.labels]
    drawn = np.stack([drawing.get_fdata() for drawing in drawings], axis=-1)
    labels = nib.Nifti1Image(drawn, cine.affine, dtype=np.int64)
    frames = [label.listed_frame for label in subject.labels]
    item: Item = {"about": {"subject": subject.id, "labelled": frames}}
    for key, whole in ((IMAGE, cine), (LABEL, labels)):
        item[key] = folder / f"{subject.id}_{key}.nii.gz"
        nib.save(whole.slicer[box].as_reoriented(SWAP_ROWS_AND_COLUMNS), item[key])
    return item


class OnCopyd(MapTransform):
    """Change a deep copy of an item, key by key."""

    def __init__(self, keys: Sequence[str], change: Callable[[Item, str], None]) -> None:
        super().__init__(keys)
        self._change = change

    def __call__(self, data: Item) -> Item:
        copy = deepcopy(data)
        for key in self.key_iterator(copy):
            self._change(copy, key)
        return copy


def _transform() -> Compose:
    both = (IMAGE, LABEL)
    return Compose(
        [
            LoadImaged(both, image_only=False),
            EnsureChannelFirstd(both, channel_dim="no_channel"),
            ToTensord(both),
            OnCopyd(both, _make_4d),
            OnCopyd(both, _subtract_minimum),
            OnCopyd([IMAGE], _note_numbers),
            OnCopyd([LABEL], _note_place),
            _split,
            DeleteItemsd(LABEL),  # in pretraining the labels only say where the heart is
        ]
    )


def _make_4d(item: Item, key: str) -> None:
    while item[key].ndim < 5:
        item[key] = item[key].unsqueeze(-1)


def _subtract_minimum(item: Item, key: str) -> None:
    item[key] -= item[key].min()


def _note_numbers(item: Item, key: str) -> None:
    image = item[key]
    measured = (image.mean(), image.std(), image.min(), image.max())
    names = ("mean", "deviation", "minimum", "maximum")
    numbers = {name: float(number) for name, number in zip(names, measured, strict=True)}
    spacing = torch.tensor(item[f"{key}_meta_dict"]["pixdim"][1:4])
    item[f"{key}_meta_dict"] = numbers | {"spacing": spacing}


def _note_place(item: Item, key: str) -> None:
    points = torch.nonzero(item[key].sum(dim=(0, 3, 4))).float()
    item[f"{key}_meta_dict"] = {"centre": (points.amin(dim=0) + points.amax(dim=0)) / 2}


def _split(item: Item) -> list[Item]:
    return [one for frame in _parts(item, "frame") for one in _parts(frame, "slice")]


def _parts(item: Item, axis: str) -> Iterator[Item]:
    """Yield a deep copy for each place along the last (frame) or last but one axis (slice)."""
    copy, place = deepcopy(item), 4 if axis == "frame" else 3
    for number in range(item[IMAGE].shape[place]):
        copy["about"][axis] = number
        copy[IMAGE] = item[IMAGE].select(place, number).clone()
        yield deepcopy(copy)


def _flat(batch: list[list[Item]]) -> list[Item]:
    return [item for items in batch for item in items]
