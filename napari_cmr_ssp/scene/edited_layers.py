"""Edited and copied layers of exams that are not displayed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from napari_cmr_ssp.scene.layers import EXAM


class EditedLayers:
    """Stores layers by the key of their exam, since they must not cover images of another exam."""

    def __init__(self) -> None:
        self._by_exam: defaultdict[str, list[Any]] = defaultdict(list)

    def add(self, layer: Any) -> None:
        """Store a layer under the exam in its metadata."""
        self._by_exam[layer.metadata[EXAM]].append(layer)

    def pop(self, exam: str) -> list[Any]:
        """Remove and return the layers of an exam in order."""
        return self._by_exam.pop(exam, [])

    def __iter__(self) -> Iterator[Any]:
        return (layer for layers in self._by_exam.values() for layer in layers)
