"""The U-Net: encoder, decoder and output heads as separate parts."""

from cmr_ssp.networks.unet import Decoder, Encoder, UNet, fold_norms

__all__ = ["Decoder", "Encoder", "UNet", "fold_norms"]
