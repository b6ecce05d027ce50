"""The weights of a run: its checkpoints as tensors, and carrying weights into another network."""

from cmr_ssp.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cmr_ssp.weights.transfer import TransferReport, transfer_weights

__all__ = [
    "Checkpoint",
    "TransferReport",
    "load_checkpoint",
    "save_checkpoint",
    "transfer_weights",
]
