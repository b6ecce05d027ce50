"""Contours from cvi42 workspaces exported as XML (``.cvi42wsx``).

Not verified against a real export: element names, namespace prefixes and the scaling by
``SubpixelResolution`` follow published parsers (such as that of UK Biobank); that integer coordinates are
pixel centres is an assumption. Every workspace has a warning about this.

Papillary muscles are part of the cavity: cvi42 has separate contours for them, which are not read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import LabelError, Problem
from cmr_ssp.files.contours.polygons import Polygon, fill
from cmr_ssp.files.formats.nifti import Stamp, stamp
from cmr_ssp.subjects import CineStack, structures_in

ENDO, EPI, RV_ENDO = "saendocardialContour", "saepicardialContour", "sarvendocardialContour"

_NAME = re.compile(rf"({ENDO}|{EPI}|{RV_ENDO})(\d{{4}})?")
_KEY = "Hash:key"
SUFFIX = ".cvi42wsx"
_MAX_BYTES = 1 << 28
_MAX_DEPTH = 200
_REMEDY = "Export the workspace from cvi42 again, as XML (.cvi42wsx)."


@dataclass(frozen=True, slots=True, eq=False)
class Workspace:
    """The short-axis contours of a workspace.

    Attributes
    ----------
    contours : Mapping of str to Mapping of str to list of Polygon
        By SOP instance UID of the image and name of the contour in cvi42.
    problems : tuple of Problem
        A warning that the reader is not verified, and warnings about skipped contours.
    """

    contours: Mapping[str, Mapping[str, list[Polygon]]]
    problems: tuple[Problem, ...]

    def draws_on(self, stack: CineStack) -> bool:
        """Return whether it has contours on an image of a cine."""
        return any(uid in self.contours for frame in stack.image_uids for uid in frame)


class _RefusedError(ValueError):
    """A construct that could make the parser read or allocate more than the file contains."""


def read_cvi42(path: Path) -> Workspace:
    """Read the short-axis contours of a workspace.

    Raises
    ------
    LabelError
        If the file is missing or not XML, has a DOCTYPE or entities, or contains no short-axis contour.
    """
    return _read(path, stamp(path))


@lru_cache(maxsize=8)
def _read(path: Path, _stamp: Stamp) -> Workspace:
    """Read a workspace, cached while its file is unchanged."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _RefusedError("it is larger than any workspace")
        root = _parse(path.read_bytes())
        contours, passed = _contours(root)
    except (OSError, expat.ExpatError, LookupError, ValueError) as error:
        raise LabelError.of(path, f"it cannot be read as a cvi42 workspace ({error})", _REMEDY) from None
    if not contours:
        raise LabelError.of(path, "it contains no short-axis contour", _REMEDY)
    problems = [Problem.warning(path, UNVERIFIED, _COMPARE)]
    if passed:
        what = f"these contours are not used: {', '.join(sorted(passed))}"
        problems.append(Problem.warning(path, what, "Check that it is right."))
    return Workspace(contours, tuple(problems))


UNVERIFIED = "the reader of cvi42 workspaces was never checked against a real export"
_COMPARE = "Check the contours over their images, and compare a volume with that in cvi42."


def contour_files(place: Path) -> list[Path]:
    """Return the workspace."""
    return [place]


def draw_contours(place: Path, stack: CineStack) -> dict[int, NDArray[np.uint8]]:
    """Rasterise the contours of a workspace on the images with their UIDs.

    Returns
    -------
    dict of int to ndarray of uint8, shape (slice, row, column)
        Labels in the engine's numbers by frame (counted from 0), only of frames with contours.

    Raises
    ------
    LabelError
        If the workspace cannot be read, or belongs to other images.
    """
    workspace = read_cvi42(place)
    drawn: dict[int, NDArray[np.uint8]] = {}
    for frame, uids in enumerate(stack.image_uids):
        if not workspace.contours.keys().isdisjoint(uids):
            labels, found = stack_labels(workspace, uids, stack.grid.shape[1:])
            drawn |= {frame: labels} if found else {}
    if not drawn:
        what = "its contours belong to none of the images of this cine"
        remedy = "Export the workspace of this exam, and the images with the contours."
        raise LabelError.of(place, what, remedy)
    return drawn


def stack_labels(
    workspace: Workspace, uids: Sequence[str], shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], frozenset[Structure]]:
    """Rasterise the contours of the slices of one frame.

    Parameters
    ----------
    workspace : Workspace
        As returned by `read_cvi42`.
    uids : sequence of str
        SOP instance UIDs of the slices in order.
    shape : tuple of int
        Rows and columns of the images.

    Returns
    -------
    ndarray of uint8, shape (slice, row, column)
        0 or a `Structure` number. The myocardium lies between epicardium and endocardium; an epicardium
        without endocardium is ignored.
    frozenset of Structure
        Structures with contours on any slice.
    """
    labels = np.zeros((len(uids), *shape), np.uint8)
    for plane, uid in zip(labels, uids, strict=True):
        named = workspace.contours.get(uid, {})
        plane[_filled(named.get(RV_ENDO, ()), shape)] = Structure.RV
        if ENDO in named:
            plane[_filled(named.get(EPI, ()), shape)] = Structure.MYO
            plane[_filled(named[ENDO], shape)] = Structure.LV
    return labels, structures_in(labels)


def _filled(polygons: Sequence[Polygon], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels inside any of the polygons."""
    union = np.zeros(shape, np.bool_)
    for polygon in polygons:
        union |= fill(polygon, shape)
    return union


def _parse(content: bytes) -> Element:
    """Build the tree without namespaces, so that prefixes need no declaration; reject any DOCTYPE."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise _RefusedError("its elements are nested too deeply")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    parser.Parse(content, True)
    return builder.close()


def _refuse(*_: Any) -> NoReturn:
    raise _RefusedError("it declares a document type or entities, which no workspace needs")


def _contours(root: Element) -> tuple[dict[str, dict[str, list[Polygon]]], set[str]]:
    """Return the short-axis contours by image and name, and the names of all others."""
    found: dict[str, dict[str, list[Polygon]]] = {}
    passed: set[str] = set()
    for uid, item in _images(root):
        named: dict[str, list[Polygon]] = defaultdict(list)
        for contour in item:
            match = _NAME.fullmatch(contour.get(_KEY, ""))
            polygon = _polygon(contour) if match else None
            if match and polygon is not None:
                named[match[1]].append(polygon)
            elif not match:
                passed.add(contour.get(_KEY, "?"))
        if named:
            found[uid] = dict(named)
    return found, passed


def _images(root: Element) -> Iterator[tuple[str, Element]]:
    """Yield the UID and the contours of each image state."""
    for states in root.iter():
        if states.get(_KEY) == "ImageStates":
            for image in states:
                contours = next((part for part in image if part.get(_KEY) == "Contours"), None)
                uid = image.get(_KEY, "").strip()
                if contours is not None and re.fullmatch(r"[0-9.]{1,64}", uid):
                    yield uid, contours


def _polygon(contour: Element) -> Polygon | None:
    """Return the points of a contour in pixels; None for fewer than three."""
    parts = {part.get(_KEY, ""): part for part in contour}
    scale = float(parts["SubpixelResolution"].text or "") if "SubpixelResolution" in parts else 1.0
    if not 1 <= scale <= 1024:
        raise ValueError(f"a SubpixelResolution of {scale:g}")
    points = [(_number(point, "Point:x"), _number(point, "Point:y")) for point in parts.get("Points", ())]
    polygon = np.array(points, np.float64) / scale
    if not np.isfinite(polygon).all():
        raise ValueError("a coordinate that is not a number")
    return polygon if len(points) > 2 else None


def _number(point: Element, name: str) -> float:
    return float(next((part.text or "" for part in point if part.tag == name), ""))
