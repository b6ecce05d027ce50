"""The U-Net and the heads of pretraining; encoder and decoder are separate modules for weight transfer."""

from cmr_ssp.networks.heads import (
    PooledEncoder,
    ProjectionHead,
    PrototypeHead,
    pooled_features,
)
from cmr_ssp.networks.norms import share_norms
from cmr_ssp.networks.unet import Decoder, Encoder, UNet, fold_norms

__all__ = [
    "Decoder",
    "Encoder",
    "PooledEncoder",
    "ProjectionHead",
    "PrototypeHead",
    "UNet",
    "fold_norms",
    "pooled_features",
    "share_norms",
]
