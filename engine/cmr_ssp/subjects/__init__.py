"""Data model: subjects, their stacks and segmentations, cohorts, and splits by subject."""

from cmr_ssp.subjects.cohort import Cohort
from cmr_ssp.subjects.ed_es import ed_and_es
from cmr_ssp.subjects.sorting import SortOptions
from cmr_ssp.subjects.sources import (
    ContourFormat,
    ContourSource,
    DrawingSource,
    ExamSource,
    FrameSource,
    ImageSource,
    VolumeSource,
    exam_frames,
    file_frames,
)
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
    structures_in,
    voxel_counts,
)
from cmr_ssp.subjects.subject import LabelSource, Origin, ResolvedLabel, ResolvedSubject, Subject

__all__ = [
    "LARGE_BYTES",
    "Acquisition",
    "CineStack",
    "Cohort",
    "ContourFormat",
    "ContourSource",
    "DrawingSource",
    "ExamSource",
    "FrameSource",
    "Frames",
    "Grid",
    "ImageSource",
    "LabelSource",
    "Origin",
    "ResolvedLabel",
    "ResolvedSubject",
    "Role",
    "Segmentation",
    "SliceOrder",
    "SortOptions",
    "Split",
    "Subject",
    "VolumeSource",
    "ed_and_es",
    "exam_frames",
    "file_frames",
    "same_affine",
    "structures_in",
    "voxel_counts",
]
