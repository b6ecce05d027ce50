"""Runs on disk: recipe, split, history, checkpoints and provenance."""

from cmr_ssp.runs.checkpoint import Checkpoint, file_digest, load_checkpoint, save_checkpoint
from cmr_ssp.runs.claim import Record, claimed, is_claimed, no_record
from cmr_ssp.runs.identity import data_id, run_id
from cmr_ssp.runs.lineage import leave_behind, lineage
from cmr_ssp.runs.listing import RunState, RunSummary, list_runs
from cmr_ssp.runs.provenance import Provenance, SeenSubjects
from cmr_ssp.runs.records import Records, read_records
from cmr_ssp.runs.run import Run
from cmr_ssp.runs.scores import store_scores, stored_scores
from cmr_ssp.runs.transfer import TransferReport, transfer_weights

__all__ = [
    "Checkpoint",
    "Provenance",
    "Record",
    "Records",
    "Run",
    "RunState",
    "RunSummary",
    "SeenSubjects",
    "TransferReport",
    "claimed",
    "data_id",
    "file_digest",
    "is_claimed",
    "leave_behind",
    "lineage",
    "list_runs",
    "load_checkpoint",
    "no_record",
    "read_records",
    "run_id",
    "save_checkpoint",
    "store_scores",
    "stored_scores",
    "transfer_weights",
]
