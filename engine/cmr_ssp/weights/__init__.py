"""The weights of a run: checkpoints with tensors, and transfer of weights to another network."""

from cmr_ssp.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cmr_ssp.weights.transfer import TransferReport, transfer_weights

__all__ = [
    "Checkpoint",
    "TransferReport",
    "load_checkpoint",
    "save_checkpoint",
    "transfer_weights",
]
