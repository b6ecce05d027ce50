"""The U-Net, encoder and decoder apart so that each can be transferred, and an encoder with a head."""

from cmr_ssp.networks.norms import share_norms
from cmr_ssp.networks.pooled import PooledEncoder, pooled_features
from cmr_ssp.networks.unet import Decoder, Encoder, UNet, fold_norms

__all__ = [
    "Decoder",
    "Encoder",
    "PooledEncoder",
    "UNet",
    "fold_norms",
    "pooled_features",
    "share_norms",
]
