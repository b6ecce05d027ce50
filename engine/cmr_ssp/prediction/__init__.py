"""Segment stacks with a trained network, and load networks from checkpoints."""

from cmr_ssp.prediction.segment import Onlooker, SegmentedStack, segment_cine, segment_stack
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
    "Onlooker",
    "PretrainedEncoder",
    "SegmentationNetwork",
    "SegmentedStack",
    "Segmenter",
    "load_encoder",
    "load_network",
    "load_segmenter",
    "segment_cine",
    "segment_stack",
]
