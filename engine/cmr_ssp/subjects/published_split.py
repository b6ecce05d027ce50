"""The split of the paper (arXiv:2409.18100), from the tables of its two data sets, and its file format.

The authors write ``{test|train|valid: {mm1: [codes], mm2: [codes]}}``; `mm1` is M&Ms, `mm2` M&Ms-2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cmr_ssp.atomic import write_text
from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.plain_yaml import load_yaml
from cmr_ssp.subjects.split import Role, Split, draw_subjects

_NAMES = {"test": Role.TEST, "train": Role.TRAIN, "valid": Role.VALIDATION}
_DATA_SETS = ("mm1", "mm2")
_PER_VENDOR, _TEST_SEED = 15, 1234
_TEST_MNMS2 = {f"{number:03d}" for number in range(281, 361)}
_PERHAPS_IN_MNMS = {"NOR", "HCM", "LV"}
_VALIDATION_SHARE, _VALIDATION_SEED = 0.2, 0


def published_split(vendors: Mapping[str, str], diseases: Mapping[str, str]) -> Split:
    """Draw the subjects like the authors: 296 training, 74 validation and 140 test subjects.

    Test subjects are 15 of each M&Ms vendor, and the test set of M&Ms-2. M&Ms-2 subjects of the groups NOR,
    HCM and LV may also be in M&Ms and get no role. Every fifth of the rest is for validation.

    Parameters
    ----------
    vendors : Mapping of str to str
        Vendor by M&Ms code, in the order of the table, on which the draw depends.
    diseases : Mapping of str to str
        Disease by M&Ms-2 code (three digits).

    Raises
    ------
    CohortError
        If a vendor has too few subjects.
    """
    own = {code for code, disease in diseases.items() if disease not in _PERHAPS_IN_MNMS}
    everyone, test = own | set(vendors), (own & _TEST_MNMS2) | set(_draw_mnms(vendors))
    rest = everyone - test
    validation = draw_subjects(rest, round(len(rest) * _VALIDATION_SHARE), _VALIDATION_SEED)
    roles = dict.fromkeys(sorted(everyone), Role.TRAIN) | dict.fromkeys(validation, Role.VALIDATION)
    return Split(roles | dict.fromkeys(test, Role.TEST))


def _draw_mnms(vendors: Mapping[str, str]) -> list[str]:
    """Draw the same subjects as ``DataFrame.sample(15, random_state=1234)`` from the rows of each vendor."""
    groups: dict[str, list[str]] = defaultdict(list)
    for code, vendor in vendors.items():
        groups[vendor].append(code)
    small = sorted(vendor for vendor, codes in groups.items() if len(codes) < _PER_VENDOR)
    if small:
        what = f"vendor '{small[0]}' has fewer than {_PER_VENDOR} subjects"
        raise CohortError.of("the table of M&Ms", what, "Use the table of the whole data set.")
    drawn: list[str] = []
    for codes in groups.values():
        places = np.random.RandomState(_TEST_SEED).choice(len(codes), _PER_VENDOR, replace=False)
        drawn += [codes[place] for place in places]
    return drawn


def read_authors_split(path: Path) -> Split:
    """Read a split file of the authors.

    Raises
    ------
    CohortError
        If the file has another form or gives a subject two roles.
    """
    remedy = "Give a file of the form {test|train|valid: {mm1: [codes], mm2: [codes]}}."
    try:
        tree = load_yaml(path.read_text(encoding="utf-8"))
        listed = [(code, _NAMES[name]) for name, sets in tree.items() for code in _codes(sets)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise CohortError.of(path, "it is not a split file of the paper's authors", remedy) from error
    counts = [code for code, _ in listed]
    twice = sorted({code for code in counts if counts.count(code) > 1})
    if twice:
        what = "'{}' has two roles"
        raise CohortError(*(Problem(str(path), what.format(code), "Keep one of them.") for code in twice))
    return Split(dict(listed))


def _codes(sets: Mapping[str, Iterable[Any]]) -> list[str]:
    if not set(sets) <= set(_DATA_SETS) or not all(isinstance(codes, list) for codes in sets.values()):
        raise ValueError("not by data set")
    return [str(code) for codes in sets.values() for code in codes]


def write_authors_split(path: Path, split: Split) -> None:
    """Write a split in the authors' format; codes of three digits are M&Ms-2, all others M&Ms."""
    tree: dict[str, dict[str, list[str]]] = {}
    for name, role in _NAMES.items():
        sets: dict[str, list[str]] = defaultdict(list)
        for code in split.ids(role):
            sets["mm2" if len(code) == 3 and code.isdecimal() else "mm1"].append(code)
        tree[name] = dict(sorted(sets.items()))
    write_text(path, yaml.safe_dump(tree, default_style='"'))
