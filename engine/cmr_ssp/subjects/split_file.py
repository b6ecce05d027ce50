"""Splits as readable YAML files."""

from __future__ import annotations

from pathlib import Path

import yaml

from cmr_ssp.atomic import write_text
from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.plain_yaml import load_yaml
from cmr_ssp.subjects.split import Role, Split


def write_split(path: Path, split: Split) -> None:
    """Write a split as YAML: the seed, and the subject ids of each role."""
    tree = {"seed": split.seed} | {role.value: list(split.ids(role)) for role in Role}
    write_text(path, yaml.safe_dump(tree, sort_keys=False))


def read_split(path: Path) -> Split:
    """Read a split that `write_split` or a person wrote.

    Raises
    ------
    CohortError
        If the file is invalid; the error names all faults.
    """
    remedy = "Write lists of subject ids under train, validation and test."
    try:
        tree = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CohortError.of(path, f"is not a valid split ({error})", remedy) from None
    if (
        not isinstance(tree, dict)
        or not set(tree) <= {"seed", *Role}
        or any(not isinstance(tree.get(role.value) or [], list) for role in Role)
    ):
        raise CohortError.of(path, "is not a split", remedy)
    roles: dict[str, Role] = {}
    problems = []
    for role in Role:
        for subject_id in map(str, tree.get(role.value) or ()):
            if subject_id in roles:
                problems.append(Problem(str(path), f"'{subject_id}' has two roles", "Keep one of them."))
            roles[subject_id] = role
    if problems:
        raise CohortError(*problems)
    return Split(roles, tree.get("seed"))
