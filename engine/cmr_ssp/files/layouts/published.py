"""Read the tables of M&Ms and M&Ms-2 that define the split of the paper."""

from __future__ import annotations

from pathlib import Path

from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.files.formats.folders import is_regular, matching
from cmr_ssp.files.formats.tables import Row, nearest_table, read_rows
from cmr_ssp.files.layouts import mnms, mnms2
from cmr_ssp.subjects import Split
from cmr_ssp.subjects.published_split import published_split

_DEPTH = 2


def published_split_of(folder: Path) -> Split:
    """Derive the published split from the two tables in, below or above a folder.

    Raises
    ------
    CohortError
        If a table is missing or lacks a column.
    """
    first = _column(folder, mnms.NAME, mnms.KEY, "Vendor")
    second = _column(folder, mnms2.NAME, mnms2.KEY, "DISEASE")
    return published_split(first, {code.zfill(3): disease for code, disease in second.items()})


def _column(folder: Path, name: str, key: str, column: str) -> dict[str, str]:
    rows = _table(folder, key)
    if not rows:
        what = f"no CSV of {name} (with a column '{key}') is here"
        raise CohortError.of(
            folder, what, "Choose the folder that contains both data sets with their tables."
        )
    lacking = [code for code, row in rows.items() if not row.get(column)]
    if lacking:
        what = f"the table of {name} has no {column} for {len(lacking)} subjects, including {lacking[0]}"
        raise CohortError(Problem(str(folder), what, "Use the table as it was distributed."))
    return {code: row[column] for code, row in rows.items()}


def _table(folder: Path, key: str) -> dict[str, Row]:
    """Search the folder, then its subfolders, then its parents."""
    for depth in range(_DEPTH + 1):
        for path in filter(is_regular, matching(folder, "*/" * depth + "*.csv")):
            if rows := read_rows(path, key):
                return rows
    return nearest_table(folder, key, 3)[0]
