"""Read a numbering defined by the user in ``cohort.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from cmr_ssp.anatomy import NUMBERINGS, OTHER_STRUCTURES, Numbering, Structure
from cmr_ssp.errors import CohortError
from cmr_ssp.files.formats.folders import is_regular
from cmr_ssp.files.formats.tables import folder_and_above
from cmr_ssp.plain_yaml import load_yaml

SETTINGS = "cohort.yaml"

_LEVELS = 3
_REMEDY = (
    "Write 'structures: {LV: 3, MYO: 2, RV: 1}', 'numbering: {3: LV, 2: MYO, 1: RV}' or 'numbering: acdc'."
)


def numbering_in_yaml(folder: Path) -> Numbering | None:
    """Read the nearest ``cohort.yaml``, in `folder` or up to three folders above; None if there is none.

    It contains one of ``numbering: acdc`` (or ``mnms``), ``numbering: {3: LV, 2: MYO, 1: RV}`` and
    ``structures: {LV: 3, MYO: 2, RV: 1}``; a structure may have a list of numbers.

    Raises
    ------
    CohortError
        If the file is invalid.
    """
    for place in folder_and_above(folder, _LEVELS):
        if is_regular(place / SETTINGS):
            return _read(place / SETTINGS)
    return None


def _read(path: Path) -> Numbering:
    try:
        content = load_yaml(path.read_text(encoding="utf-8")) or {}
        unknown = sorted(set(content) - {"numbering", "structures"})
        if unknown:
            raise CohortError.of(path, f"its key '{unknown[0]}' is unknown", _REMEDY)
        if len(content) > 1:
            raise CohortError.of(path, "it has both a numbering and structures", _REMEDY)
        if "structures" in content:
            numbering = _by_structure(content["structures"])
        else:
            numbering = _by_number(content.get("numbering", "mnms"))
    except CohortError as error:
        raise CohortError(*(replace(problem, where=str(path)) for problem in error.problems)) from None
    except (OSError, yaml.YAMLError, KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise CohortError.of(path, "its numbering is invalid", _REMEDY) from error
    if not numbering or min(numbering) < 1 or max(numbering) > 255:
        raise CohortError.of(path, "its structure numbers are not between 1 and 255", _REMEDY)
    return numbering


def _by_number(stated: Any) -> Numbering:
    if isinstance(stated, str):
        return NUMBERINGS[stated]
    return {int(number): _structure(name) for number, name in stated.items()}


def _structure(name: Any) -> Structure:
    if name not in Structure.__members__:
        what = f"'{name}' is not one of the structures {', '.join(Structure.__members__)}"
        raise CohortError.of(SETTINGS, what, OTHER_STRUCTURES)
    return Structure[name]


def _by_structure(stated: Mapping[str, Any]) -> Numbering:
    """Invert ``{LV: 3, MYO: [2, 4]}``; raise ValueError if a number belongs to two structures."""
    lists = {_structure(name): n if isinstance(n, list) else [n] for name, n in stated.items()}
    numbering = {int(number): structure for structure, numbers in lists.items() for number in numbers}
    if len(numbering) < sum(len(numbers) for numbers in lists.values()):
        raise ValueError("a number belongs to two structures")
    return numbering
