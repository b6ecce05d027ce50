"""Digests of training data, by which a resumed run checks that nothing changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.files.labels.marks import cine_digest
from cmr_ssp.subjects import Segmentation


@dataclass(frozen=True, slots=True)
class SubjectContent:
    """Digests of the images and labels of one subject in a bank.

    Attributes
    ----------
    images : str
        SHA-256 of all pixels as read, and of their spacing.
    labels : Mapping of Phase to str
        SHA-256 of the labels of each phase in `Structure` numbers, with frame and labelled structures.
    """

    images: str
    labels: Mapping[Phase, str]

    @classmethod
    def of(
        cls,
        pixels: NDArray[np.float32],
        in_plane_mm: tuple[float, float],
        drawings: Mapping[Phase, Segmentation],
    ) -> Self:
        """Compute the digests of a cine, shape (frame, slice, row, column), and its labels."""
        images = _digest([cine_digest(pixels), [float(step) for step in in_plane_mm]])
        return cls(images, {phase: _drawn(drawing) for phase, drawing in drawings.items()})

    def of_phases(self, phases: Sequence[Phase]) -> str:
        """Compute one digest of the labels of the given phases."""
        return _digest([[phase.value, self.labels.get(phase, "")] for phase in phases])

    def as_dict(self) -> dict[str, Any]:
        """Return the digests as plain JSON types."""
        return {"images": self.images, "labels": {phase.value: each for phase, each in self.labels.items()}}

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Self:
        """Create the object from the result of `as_dict`."""
        return cls(str(tree["images"]), {Phase(phase): str(each) for phase, each in tree["labels"].items()})


def _drawn(drawing: Segmentation) -> str:
    labels = np.ascontiguousarray(drawing.labels)
    pixels = hashlib.sha256(labels.data).hexdigest()
    drawn = [structure.name for structure in Structure if structure in drawing.drawn]
    return _digest([pixels, list(labels.shape), drawing.frame, drawn])


def _digest(tree: Any) -> str:
    return hashlib.sha256(json.dumps(tree).encode()).hexdigest()
