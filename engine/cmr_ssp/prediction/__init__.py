"""Segment stacks, and rebuild masked slices."""

from cmr_ssp.prediction.reconstruct import Rebuilder, Reconstruction, load_rebuilder, rebuild
from cmr_ssp.prediction.segment import SegmentedStack, segment_cine, segment_stack
from cmr_ssp.prediction.segmenter import Segmenter, load_segmenter
from cmr_ssp.prediction.trained import (
    NetworkDescription,
    PretrainedEncoder,
    SegmentationNetwork,
    load_encoder,
    load_network,
)

__all__ = [
    "NetworkDescription",
    "PretrainedEncoder",
    "Rebuilder",
    "Reconstruction",
    "SegmentationNetwork",
    "SegmentedStack",
    "Segmenter",
    "load_encoder",
    "load_network",
    "load_rebuilder",
    "load_segmenter",
    "rebuild",
    "segment_cine",
    "segment_stack",
]
