"""Group the planes of an exam into candidate stacks by orientation, pixel grid and position."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.files.dicom.passes import Pass, passes_of
from cmr_ssp.files.dicom.planes import Plane

LEAST_SLICES = 3

_SAME_DIRECTION = math.cos(math.radians(1.0))
_NEARLY_PARALLEL = math.cos(math.radians(20.0))
_SAME_POSITION_MM = 0.5
_SAME_POSITION_SHARE = 0.1  # of the slice thickness


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One slice position of a candidate stack.

    Attributes
    ----------
    position_mm : float
        Position along the normal of the candidate.
    passes : tuple of Pass
        Acquisitions of this slice in temporal order.
    """

    position_mm: float
    passes: tuple[Pass, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Parallel slices with the same pixel grid, which may be a short-axis stack.

    Attributes
    ----------
    slices : tuple of Slice
        Sorted along the normal.
    strays : tuple of Pass
        Nearby cine slices that are rotated or have another pixel grid.
    """

    slices: tuple[Slice, ...]
    strays: tuple[Pass, ...] = ()

    @property
    def first(self) -> Plane:
        """The first plane; all planes share orientation and pixel grid."""
        return self.slices[0].passes[0].planes[0]

    @property
    def planes(self) -> list[Plane]:
        """All planes of the candidate."""
        return [plane for at in self.slices for each in at.passes for plane in each.planes]

    @property
    def series_numbers(self) -> list[int]:
        """The DICOM series numbers of its planes."""
        return sorted({plane.series_number for plane in self.planes})

    @property
    def n_frames(self) -> int:
        """The largest number of frames of any slice."""
        return max(len(each.planes) for at in self.slices for each in at.passes)


def find_candidates(planes: Iterable[Plane]) -> list[Candidate]:
    """Group planes into candidate stacks, sorted by decreasing number of slices."""
    unique = {(plane.instance_uid or plane.ref, plane.index): plane for plane in planes}  # ignore copies
    found = [each for group in _groups(unique.values()) for each in _split(group)]
    found.sort(key=lambda each: (-len(each.slices), each.series_numbers))
    strays = [at.passes[-1] for each in found if len(each.slices) < LEAST_SLICES for at in each.slices]
    strays = [each for each in strays if each.oddity is None and each.planes[0].oddity is None]
    return [Candidate(each.slices, tuple(_strays_of(each, strays))) for each in found]


def _groups(planes: Iterable[Plane]) -> list[list[Plane]]:
    """Group planes that are parallel and share the pixel grid."""
    groups: list[list[Plane]] = []
    for plane in planes:
        for group in groups:
            if _alike(group[0], plane):
                group.append(plane)
                break
        else:
            groups.append([plane])
    return groups


def _alike(one: Plane, other: Plane) -> bool:
    return (
        one.shape == other.shape
        and one.oddity == other.oddity
        and np.allclose(one.spacing_mm, other.spacing_mm, rtol=1e-3)
        and bool((np.sum(one.axes * other.axes, axis=1) > _SAME_DIRECTION).all())
    )


def _split(group: list[Plane]) -> list[Candidate]:
    """Split planes of one geometry into stacks: a series that repeats most of another is a separate one."""
    positions, places = _positions(group)
    series: dict[str, dict[int, list[Plane]]] = defaultdict(lambda: defaultdict(list))
    for plane, place in zip(group, places, strict=True):
        series[plane.series][place].append(plane)
    stacks: list[dict[int, list[Pass]]] = []
    for held in sorted(series.values(), key=lambda held: (-len(held), _number(held))):
        passes = {place: passes_of(planes) for place, planes in held.items()}
        rival = len(held) >= LEAST_SLICES and all(len(held.keys() & s) > len(held) / 2 for s in stacks)
        if not stacks or rival:
            stacks.append(defaultdict(list, passes))
        else:
            _add(min(stacks, key=lambda stack: _apart(stack, held)), passes)
    return [_candidate(part, positions) for stack in stacks for part in _whole_repeats(stack)]


def _positions(group: Sequence[Plane]) -> tuple[list[float], list[int]]:
    """Return the slice positions along the normal, and the index of the position of each plane."""
    normal = group[0].axes[2]
    along = np.array([plane.centre_mm for plane in group]) @ normal
    tolerance = max(_SAME_POSITION_MM, _SAME_POSITION_SHARE * group[0].thickness_mm)
    order = np.argsort(along, kind="stable")
    starts = np.diff(along[order], prepend=-np.inf) > tolerance
    places = np.empty(len(group), int)
    places[order] = np.cumsum(starts) - 1
    return [float(along[places == place].mean()) for place in range(starts.sum())], places.tolist()


def _number(held: dict[int, list[Plane]]) -> int:
    return min(plane.series_number for planes in held.values() for plane in planes)


def _apart(stack: dict[int, list[Pass]], held: dict[int, list[Plane]]) -> int:
    numbers = [each.planes[0].series_number for passes in stack.values() for each in passes]
    return min(abs(number - _number(held)) for number in numbers)


def _add(stack: dict[int, list[Pass]], passes: dict[int, list[Pass]]) -> None:
    for place, found in passes.items():
        stack[place] = sorted([*stack.get(place, ()), *found], key=lambda each: each.order)


def _whole_repeats(stack: dict[int, list[Pass]]) -> list[dict[int, list[Pass]]]:
    """Split a stack that was acquired completely several times into one stack per acquisition."""
    counts = {len(passes) for passes in stack.values()}
    n_times = counts.pop()
    if counts or n_times == 1 or len(stack) < LEAST_SLICES:
        return [stack]
    return [{place: [passes[n]] for place, passes in stack.items()} for n in range(n_times)]


def _candidate(stack: dict[int, list[Pass]], positions: Sequence[float]) -> Candidate:
    return Candidate(tuple(Slice(positions[place], tuple(stack[place])) for place in sorted(stack)))


def _strays_of(stack: Candidate, strays: Sequence[Pass]) -> list[Pass]:
    if len(stack.slices) < LEAST_SLICES:
        return []
    return [each for each in strays if _belongs(each.planes[0], stack)]


def _belongs(plane: Plane, stack: Candidate) -> bool:
    """Return whether a plane was probably planned as a slice of a stack although it does not fit."""
    positions = np.array([at.position_mm for at in stack.slices])
    spacing = float(np.diff(positions).min())
    along, aside = offset(plane, stack.first)
    half_mm = min(n * mm for n, mm in zip(stack.first.shape, stack.first.spacing_mm, strict=True)) / 2
    return (
        abs(float(plane.axes[2] @ stack.first.axes[2])) > _NEARLY_PARALLEL
        and aside < half_mm
        and bool(np.abs(positions - along).min() > spacing / 2)
        and bool(positions[0] - 1.5 * spacing < along < positions[-1] + 1.5 * spacing)
    )


def offset(plane: Plane, reference: Plane) -> tuple[float, float]:
    """Return the position of a plane's centre along the normal of `reference` and beside it, in mm."""
    normal = reference.axes[2]
    way: NDArray[np.float64] = plane.centre_mm - reference.centre_mm
    return float(plane.centre_mm @ normal), float(np.linalg.norm(way - (way @ normal) * normal))


def rotation_degrees(plane: Plane, reference: Plane) -> float:
    """Return the rotation angle between the axes of two planes in degrees."""
    cosine = (float(np.sum(plane.axes * reference.axes)) - 1) / 2
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
