"""Runs on disk: recipe, split, history, checkpoint headers, and provenance; importing it loads no torch.

`cmr_ssp.weights` reads and writes the tensors.
"""

from cmr_ssp.runs.bring_in import BroughtIn, bring_in_run, use_problems
from cmr_ssp.runs.bundles import read_card, require_place, verified_card, write_bundle
from cmr_ssp.runs.card import Card
from cmr_ssp.runs.choice import CheckpointName, ChosenCheckpoint, choose_checkpoint
from cmr_ssp.runs.claim import WriteState, claimed, is_claimed, write_no_state
from cmr_ssp.runs.header import CheckpointHeader, file_digest, read_checkpoint_header
from cmr_ssp.runs.identity import data_id, run_id
from cmr_ssp.runs.keyed import bundle_key, is_among, without_names
from cmr_ssp.runs.lineage import lineage, note_checkpoint
from cmr_ssp.runs.listing import RunState, RunSummary, is_run, list_runs
from cmr_ssp.runs.provenance import Provenance, SeenSubjects, only_phantoms
from cmr_ssp.runs.records import Records, read_records
from cmr_ssp.runs.run import Run
from cmr_ssp.runs.scores import function_table, store_function, store_scores, stored_function, stored_scores

__all__ = [
    "BroughtIn",
    "Card",
    "CheckpointHeader",
    "CheckpointName",
    "ChosenCheckpoint",
    "Provenance",
    "Records",
    "Run",
    "RunState",
    "RunSummary",
    "SeenSubjects",
    "WriteState",
    "bring_in_run",
    "bundle_key",
    "choose_checkpoint",
    "claimed",
    "data_id",
    "file_digest",
    "function_table",
    "is_among",
    "is_claimed",
    "is_run",
    "lineage",
    "list_runs",
    "note_checkpoint",
    "only_phantoms",
    "read_card",
    "read_checkpoint_header",
    "read_records",
    "require_place",
    "run_id",
    "store_function",
    "store_scores",
    "stored_function",
    "stored_scores",
    "use_problems",
    "verified_card",
    "without_names",
    "write_bundle",
    "write_no_state",
]
