"""Clinical function: measurements on segmentations, such as the volumes of structures."""

from cmr_ssp.function.measuring import measure_files
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
    "FrameVolumes",
    "find_ed_es",
    "frame_volumes",
    "measure_files",
    "volumes_csv",
    "voxel_ml",
]
