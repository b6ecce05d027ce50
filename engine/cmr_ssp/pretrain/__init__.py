"""Self-supervised pretraining: one module a method."""

from cmr_ssp.pretrain.mim import MimObjective, masked_mse

__all__ = ["MimObjective", "masked_mse"]
