"""Clinical function: measurements on segmentations, such as the volumes of structures."""

from cmr_ssp.function.estimate import estimated_dice
from cmr_ssp.function.flags import Flag, FlagCode, Judged, Severity
from cmr_ssp.function.measuring import measure_files
from cmr_ssp.function.quality import QualityFlags, find_flags
from cmr_ssp.function.shape_facts import ShapeFacts, measure_shapes
from cmr_ssp.function.tidying import Change, Step, Tidied, tidy
from cmr_ssp.function.volumes import (
    VOLUMES_BEGIN,
    FrameVolumes,
    find_ed_es,
    frame_volumes,
    volumes_csv,
    voxel_ml,
)

__all__ = [
    "VOLUMES_BEGIN",
    "Change",
    "Flag",
    "FlagCode",
    "FrameVolumes",
    "Judged",
    "QualityFlags",
    "Severity",
    "ShapeFacts",
    "Step",
    "Tidied",
    "estimated_dice",
    "find_ed_es",
    "find_flags",
    "frame_volumes",
    "measure_files",
    "measure_shapes",
    "tidy",
    "volumes_csv",
    "voxel_ml",
]
