"""Runs on disk: recipe, split, history, headers of checkpoints, and provenance; light to import.

What needs their tensors is in `cmr_ssp.weights`.
"""

from cmr_ssp.runs.claim import WriteState, claimed, is_claimed, write_no_state
from cmr_ssp.runs.header import CheckpointHeader, file_digest, read_checkpoint_header
from cmr_ssp.runs.identity import data_id, run_id
from cmr_ssp.runs.lineage import leave_behind, lineage
from cmr_ssp.runs.listing import RunState, RunSummary, is_run, list_runs
from cmr_ssp.runs.provenance import Provenance, SeenSubjects
from cmr_ssp.runs.records import Records, read_records
from cmr_ssp.runs.run import Run
from cmr_ssp.runs.scores import store_scores, stored_scores

__all__ = [
    "CheckpointHeader",
    "Provenance",
    "Records",
    "Run",
    "RunState",
    "RunSummary",
    "SeenSubjects",
    "WriteState",
    "claimed",
    "data_id",
    "file_digest",
    "is_claimed",
    "is_run",
    "leave_behind",
    "lineage",
    "list_runs",
    "read_checkpoint_header",
    "read_records",
    "run_id",
    "store_scores",
    "stored_scores",
    "write_no_state",
]
