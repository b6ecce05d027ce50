"""Who stands behind each contour: the state of every structure in every slice and frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.outlines import Plane

STRUCTURES = tuple(Structure)


class ContourState(IntEnum):
    """State of one structure in one slice of one frame.

    Only a person makes a contour *accepted* or *confirmed absent*; whatever a program draws is *proposed*.
    """

    NOT_DRAWN = 0
    PROPOSED = 1
    ACCEPTED = 2
    CONFIRMED_ABSENT = 3

    @property
    def title(self) -> str:
        """Return what people are shown."""
        return self.name.replace("_", " ").lower()

    @property
    def is_decided(self) -> bool:
        """Whether a person decided it."""
        return self in (ContourState.ACCEPTED, ContourState.CONFIRMED_ABSENT)


@dataclass(frozen=True, slots=True, eq=False)
class ContourStates:
    """States of all contours of a cine; changed in place.

    Attributes
    ----------
    array : ndarray of uint8, shape (frame, slice, structure)
        A `ContourState`; structures in the order of `Structure`.
    """

    array: NDArray[np.uint8]

    @classmethod
    def of(cls, labels: NDArray[np.uint8], state: ContourState = ContourState.PROPOSED) -> Self:
        """Return states in which all that has a pixel has one state, and the rest is not drawn.

        Parameters
        ----------
        labels : ndarray of uint8, shape (frame, slice, row, column)
            0 or a `Structure` number.
        state : ContourState
            Of what is drawn.
        """
        drawn = np.stack([(labels == structure).any(axis=(2, 3)) for structure in STRUCTURES], axis=-1)
        return cls(np.where(drawn, np.uint8(state), np.uint8(ContourState.NOT_DRAWN)))

    def state(self, frame: int, slice_: int, structure: Structure) -> ContourState:
        """Return the state of one contour."""
        return ContourState(int(self.array[frame, slice_, STRUCTURES.index(structure)]))

    def titles(self, frame: int) -> dict[str, tuple[str, ...]]:
        """Return the state of each slice of a frame in words, by the name of the structure."""
        return {
            structure.name: tuple(ContourState(int(state)).title for state in self.array[frame, :, index])
            for index, structure in enumerate(STRUCTURES)
        }

    @property
    def decided_frames(self) -> tuple[int, ...]:
        """Frames with a contour that a person decided."""
        decided = [state for state in ContourState if state.is_decided]
        return tuple(np.flatnonzero(np.isin(self.array, decided).any(axis=(1, 2))).tolist())

    def changed(self, frame: int, slice_: int, before: Plane, after: Plane, state: ContourState) -> None:
        """Take note that a slice changed: the structures that changed get a state, or are no longer drawn.

        Parameters
        ----------
        frame, slice_ : int
            Which one.
        before, after : ndarray of uint8, shape (row, column)
            Its labels.
        state : ContourState
            Accepted if a person changed it, proposed if a program did.
        """
        for index, structure in enumerate(STRUCTURES):
            now = after == structure
            if not np.array_equal(now, before == structure):
                self.array[frame, slice_, index] = state if now.any() else ContourState.NOT_DRAWN

    def accept(
        self, frame: int, slice_: int, labels: Plane, structures: Iterable[Structure] = STRUCTURES
    ) -> None:
        """Accept a slice as it is: what is drawn is accepted, what is not drawn is confirmed absent.

        Parameters
        ----------
        frame, slice_ : int
            Which one.
        labels : ndarray of uint8, shape (row, column)
            Its labels.
        structures : iterable of Structure
            Those that are accepted.
        """
        for structure in structures:
            drawn = bool((labels == structure).any())
            state = ContourState.ACCEPTED if drawn else ContourState.CONFIRMED_ABSENT
            self.array[frame, slice_, STRUCTURES.index(structure)] = state

    def locked(self, frame: int, slice_: int) -> frozenset[Structure]:
        """Return the structures of a slice that a person decided, which no program may change."""
        return frozenset(s for s in STRUCTURES if self.state(frame, slice_, s).is_decided)

    def count(self, state: ContourState) -> int:
        """Return how many contours are in a state."""
        return int((self.array == state).sum())
