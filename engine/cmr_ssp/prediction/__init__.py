"""Segment stacks, and rebuild masked slices."""

from cmr_ssp.prediction.segment import segment_cine, segment_stack

__all__ = ["segment_cine", "segment_stack"]
