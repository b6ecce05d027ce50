"""The U-Net and an encoder with a head; encoder and decoder are separate modules for weight transfer."""

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
