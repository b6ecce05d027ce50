"""Which checkpoints a run is, was, and came from: labels corrected from any of them are no test of it.

The states that a resumed run left behind are kept beside its checkpoint, not in it: a run that was resumed
ends in the same bytes as one that never stopped.
"""

from __future__ import annotations

import re

from cmr_ssp.atomic import write_text
from cmr_ssp.errors import RunError
from cmr_ssp.runs.header import file_digest
from cmr_ssp.runs.provenance import Provenance
from cmr_ssp.runs.run import Run


def leave_behind(run: Run) -> None:
    """Note the last checkpoint of a run that is about to be trained on.

    Raises
    ------
    CmrSspError
        Where the note is damaged or cannot be written.
    """
    digests = dict.fromkeys([*_left_behind(run), file_digest(run.last)])
    write_text(run.earlier, "".join(f"{digest}\n" for digest in digests))


def lineage(run: Run, provenance: Provenance) -> tuple[str, ...]:
    """Return the digests of a run's last checkpoint, of its earlier ones, and of all that it came from.

    Raises
    ------
    RunError
        Where the note of earlier checkpoints is damaged.
    """
    every = (file_digest(run.last), *reversed(_left_behind(run)), *provenance.lineage)
    return tuple(dict.fromkeys(every))


def _left_behind(run: Run) -> list[str]:
    if not run.earlier.exists():
        return []
    try:
        digests = run.earlier.read_text(encoding="ascii").split()
    except (OSError, ValueError) as error:
        raise RunError.of(run.earlier, f"it cannot be read ({error})", "Restore it from a copy.") from None
    if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests):
        raise RunError.of(run.earlier, "it is no list of checkpoints", "Restore it from a copy.")
    return digests
