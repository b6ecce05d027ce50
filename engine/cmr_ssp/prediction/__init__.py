"""Segment stacks."""

from cmr_ssp.prediction.segment import SegmentedStack, segment_cine, segment_stack
from cmr_ssp.prediction.segmenter import Segmenter, load_segmenter

__all__ = [
    "SegmentedStack",
    "Segmenter",
    "load_segmenter",
    "segment_cine",
    "segment_stack",
]
