"""The nouns: subjects, their cine stacks and segmentations, and cohorts split by subject."""

from cmr_ssp.subjects.cohort import Cohort
from cmr_ssp.subjects.sorting import SortOptions
from cmr_ssp.subjects.split import Role, Split
from cmr_ssp.subjects.stack import (
    LARGE_BYTES,
    Acquisition,
    CineStack,
    Frames,
    Grid,
    Segmentation,
    SliceOrder,
    same_affine,
)
from cmr_ssp.subjects.subject import FrameSource, LabelSource, Origin, Subject

__all__ = [
    "LARGE_BYTES",
    "Acquisition",
    "CineStack",
    "Cohort",
    "FrameSource",
    "Frames",
    "Grid",
    "LabelSource",
    "Origin",
    "Role",
    "Segmentation",
    "SliceOrder",
    "SortOptions",
    "Split",
    "Subject",
    "same_affine",
]
