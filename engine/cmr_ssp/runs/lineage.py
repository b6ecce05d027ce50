"""Lineage of a run: labels corrected from any of its checkpoints cannot test it.

The earlier checkpoints of a resumed run are listed in a separate file, not in the checkpoint, so that a
resumed run and an uninterrupted one end in the same bytes.
"""

from __future__ import annotations

import re

from cmr_ssp.atomic import write_text
from cmr_ssp.errors import RunError
from cmr_ssp.runs.header import file_digest
from cmr_ssp.runs.provenance import Provenance
from cmr_ssp.runs.run import Run


def note_checkpoint(run: Run) -> None:
    """Add the last and best checkpoints of a run to its list of earlier ones, before training continues.

    Raises
    ------
    CmrSspError
        If the list is damaged or cannot be written.
    """
    digests = dict.fromkeys([*_earlier_checkpoints(run), *reversed(_own_checkpoints(run))])
    write_text(run.earlier, "".join(f"{digest}\n" for digest in digests))


def lineage(run: Run, provenance: Provenance) -> tuple[str, ...]:
    """Return the digests of a run's last and best checkpoint, its earlier ones, and all ancestors.

    Raises
    ------
    RunError
        If the list of earlier checkpoints is damaged.
    """
    every = (*_own_checkpoints(run), *reversed(_earlier_checkpoints(run)), *provenance.lineage)
    return tuple(dict.fromkeys(every))


def _own_checkpoints(run: Run) -> list[str]:
    """Return the digests of the last and the best checkpoint; both can make segmentations."""
    return [file_digest(path) for path in (run.last, run.best) if path == run.last or path.exists()]


def _earlier_checkpoints(run: Run) -> list[str]:
    if not run.earlier.exists():
        return []
    try:
        digests = run.earlier.read_text(encoding="ascii").split()
    except (OSError, ValueError) as error:
        raise RunError.of(run.earlier, f"it cannot be read ({error})", "Restore it from a copy.") from None
    if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests):
        raise RunError.of(run.earlier, "it is not a list of checkpoints", "Restore it from a copy.")
    return digests
