"""Runs on disk: recipe, split, history, checkpoints and provenance."""

from cmr_ssp.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cmr_ssp.runs.provenance import Provenance
from cmr_ssp.runs.run import Run
from cmr_ssp.runs.transfer import TransferReport, transfer_weights

__all__ = [
    "Checkpoint",
    "Provenance",
    "Run",
    "TransferReport",
    "load_checkpoint",
    "save_checkpoint",
    "transfer_weights",
]
