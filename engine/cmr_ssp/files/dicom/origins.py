"""Check that the images of a stack come from one person and one study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from cmr_ssp.errors import Problem
from cmr_ssp.files.dicom.planes import Plane
from cmr_ssp.files.dicom.pseudonyms import identifiers, pseudonym

_MOST_NAMED = 4


def mixed_stack_problems(planes: Sequence[Plane], where: str) -> list[Problem]:
    """Report a stack with images of several people or studies."""
    origins = _several(planes)
    if not origins:
        return []
    what = f"its slices come from {origins}"
    return [Problem(where, what, "Put the images of each study into a separate folder.")]


def mixed_exam_problems(planes: Sequence[Plane], where: str) -> list[Problem]:
    """Warn about an exam with images of several people, even if its cine is of one person."""
    if len({plane.person for plane in planes if plane.person}) < 2:
        return []
    what = f"it contains images of {_several(planes)}"
    remedy = "Put the images of each person into a separate folder."
    return [Problem.warning(where, what, remedy)]


def _several(planes: Sequence[Plane]) -> str:
    """Describe the people or, failing that, studies of the planes; empty if there is only one.

    Missing identifiers are ignored.
    """
    people = {plane.person for plane in planes if plane.person}
    studies = {plane.study for plane in planes if plane.study}
    if len(people) < 2 and len(studies) < 2:
        return ""
    held: dict[tuple[str, str], list[Plane]] = defaultdict(list)
    for plane in planes:
        held[plane.person, plane.study].append(plane)
    named = [f"{len(each)} images of {pseudonym(identifiers(each))}" for each in held.values()]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    count = f"{len(people)} people" if len(people) > 1 else f"{len(studies)} studies"
    return f"{count} ({', '.join(named[:_MOST_NAMED])}{more})"
