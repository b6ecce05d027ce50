"""The contours of one exam while they are edited: labels, states, and every step that can be undone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.outlines import Plane
from cmr_ssp.editing.states import STRUCTURES, ContourState, ContourStates

Place = tuple[int, int]
"""Frame and slice, counted from 0."""

_MAX_STEPS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What one step did to one slice: labels and states before and after."""

    place: Place
    labels: tuple[Plane, Plane]
    states: tuple[NDArray[np.uint8], NDArray[np.uint8]]


Step = tuple[Change, ...]


class Contours:
    """Labels of a cine that people and programs change step by step.

    Parameters
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number. It is changed in place, so that a viewer can show the same array; what
        someone else writes into it has to be told by `notice`.
    states : ContourStates
        Of these labels; changed in place.

    Attributes
    ----------
    labels, states
        As they are now.
    n_changes : int
        Counts every step, undone and redone ones too: tells whether anything happened since a save.

    Examples
    --------
    >>> contours = Contours(labels, ContourStates.of(labels))
    >>> contours.change({(0, 5): smoother})
    ((0, 5),)
    >>> contours.undo()
    ((0, 5),)
    """

    def __init__(self, labels: NDArray[np.uint8], states: ContourStates) -> None:
        self.labels, self.states = labels, states
        self.n_changes = 0
        self._known = labels.copy()
        self._done: deque[Step] = deque(maxlen=_MAX_STEPS)
        self._undone: list[Step] = []

    def plane(self, place: Place) -> Plane:
        """Return a copy of the labels of one slice."""
        return np.array(self.labels[place])

    def change(
        self, planes: Mapping[Place, Plane], state: ContourState = ContourState.ACCEPTED
    ) -> tuple[Place, ...]:
        """Replace slices as one step, and return the places where this changed anything.

        Parameters
        ----------
        planes : Mapping of (frame, slice) to ndarray
            New labels, shape (row, column).
        state : ContourState
            Of the structures that change: accepted where a person draws, proposed where a program does.
        """
        for place, plane in planes.items():
            self.labels[place] = plane
        return self.notice(planes, state)

    def notice(
        self, places: Iterable[Place] | None = None, state: ContourState = ContourState.ACCEPTED
    ) -> tuple[Place, ...]:
        """Take note of what someone wrote into `labels`, as one step; return where anything changed.

        Parameters
        ----------
        places : iterable of (frame, slice), optional
            Where to look; by default everywhere.
        state : ContourState
            As for `change`.
        """
        if places is None:
            changed = (self.labels != self._known).any(axis=(2, 3))
            places = [(int(frame), int(slice_)) for frame, slice_ in np.argwhere(changed)]
        return self._do(change for place in places if (change := self._change_at(place, state)) is not None)

    def accept(
        self, places: Iterable[Place], structures: Iterable[Structure] = STRUCTURES
    ) -> tuple[Place, ...]:
        """Accept slices as they are, as one step: what is not drawn in them is confirmed absent."""
        chosen = tuple(structures)
        return self._do(
            change for place in places if (change := self._accepted_at(place, chosen)) is not None
        )

    def undo(self) -> tuple[Place, ...]:
        """Undo the last step and return where it changed anything; nothing if there is none."""
        if not self._done:
            return ()
        self._undone.append(self._done.pop())
        return self._set(self._undone[-1], after=False)

    def redo(self) -> tuple[Place, ...]:
        """Do the last undone step again and return where."""
        if not self._undone:
            return ()
        self._done.append(self._undone.pop())
        return self._set(self._done[-1], after=True)

    @property
    def can_undo(self) -> bool:
        """Whether a step can be undone."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether a step can be done again."""
        return bool(self._undone)

    def _change_at(self, place: Place, state: ContourState) -> Change | None:
        before, after = self._known[place], self.labels[place]
        if np.array_equal(before, after):
            return None
        states_before = self.states.array[place].copy()
        self.states.changed(*place, before, after, state)
        return self._keep(place, before.copy(), states_before)

    def _accepted_at(self, place: Place, structures: tuple[Structure, ...]) -> Change | None:
        states_before = self.states.array[place].copy()
        self.states.accept(*place, self.labels[place], structures)
        if np.array_equal(states_before, self.states.array[place]):
            return None
        return self._keep(place, self.plane(place), states_before)

    def _keep(self, place: Place, labels_before: Plane, states_before: NDArray[np.uint8]) -> Change:
        self._known[place] = self.labels[place]
        labels = (labels_before, self.plane(place))
        return Change(place, labels, (states_before, self.states.array[place].copy()))

    def _do(self, changes: Iterable[Change]) -> tuple[Place, ...]:
        step = tuple(changes)
        if step:
            self._done.append(step)
            self._undone.clear()
            self.n_changes += 1
        return tuple(change.place for change in step)

    def _set(self, step: Step, *, after: bool) -> tuple[Place, ...]:
        for change in step:
            self.labels[change.place] = self._known[change.place] = change.labels[after]
            self.states.array[change.place] = change.states[after]
        self.n_changes += 1
        return tuple(change.place for change in step)
