"""Layers that somebody edited or copied, out of the viewer until their exam is shown again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from napari_cmr_ssp.scene.layers import EXAM


class EditedLayers:
    """Keeps layers by the key of their exam: over another patient's images they would mislead."""

    def __init__(self) -> None:
        self._of_exam: defaultdict[str, list[Any]] = defaultdict(list)

    def keep(self, layer: Any) -> None:
        """Keep a layer for its exam, which its metadata names."""
        self._of_exam[layer.metadata[EXAM]].append(layer)

    def give_back(self, exam: str) -> list[Any]:
        """Return the layers that were kept for an exam, in their order; they are no longer kept here."""
        return self._of_exam.pop(exam, [])

    def __iter__(self) -> Iterator[Any]:
        return (layer for layers in self._of_exam.values() for layer in layers)
