"""CSV tables of cohorts."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cmr_ssp.errors import CmrSspError, CohortError, Problem
from cmr_ssp.files.formats.folders import is_regular, matching

Row = dict[str, str]

_MAX_DIGITS = 9


def read_rows(path: Path, key: str) -> dict[str, Row] | None:
    """Read a CSV file by the column `key`; None if it has no such column.

    Raises
    ------
    CohortError
        If the file is unreadable or names a subject twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            reader = csv.DictReader(file)
            if key not in [(name or "").strip() for name in reader.fieldnames or ()]:
                return None
            rows = [_clean(row) for row in reader]
    except (OSError, csv.Error) as error:
        raise CohortError.of(
            path, f"it cannot be read as CSV ({error})", "Save it as CSV in UTF-8."
        ) from error
    named = [row for row in rows if row.get(key)]
    table = {row[key]: row for row in named}
    if len(table) < len(named):
        twice = sorted(name for name, n in Counter(row[key] for row in named).items() if n > 1)
        raise CohortError.of(path, f"it names {', '.join(twice)} more than once", "Keep one row per subject.")
    return table


def nearest_table(folder: Path, key: str, levels: int) -> tuple[dict[str, Row], list[Problem]]:
    """Read the nearest CSV with the column `key`, in a folder or up to `levels` above it."""
    problems: list[Problem] = []
    for place in folder_and_above(folder, levels):
        for path in filter(is_regular, matching(place, "*.csv")):
            try:
                rows = read_rows(path, key)
            except CmrSspError as error:
                problems += error.problems
                continue
            if rows is not None:
                return rows, problems
    return {}, problems


def _clean(row: dict[str | None, str | list[str] | None]) -> Row:
    """Strip names and cells; drop cells without a column name."""
    return {name.strip(): cell.strip() for name, cell in row.items() if name and isinstance(cell, str)}


def whole_number(cell: str) -> int | None:
    """Parse a non-negative integer, also as written by spreadsheets (``12.0``); None for anything else."""
    digits = cell.removesuffix(".0")
    return int(digits) if digits.isdecimal() and len(digits) <= _MAX_DIGITS else None


def folder_and_above(folder: Path, levels: int) -> Iterator[Path]:
    """Yield a folder and its parents, which may contain the table of a cohort."""
    yield folder
    yield from list(folder.parents)[:levels]
