"""Clinical function: measurements on segmentations, such as volumes, ejection fraction and mass."""

from cmr_ssp.function.choices import FunctionChoices, PapillarySide, Scan, SliceChoice
from cmr_ssp.function.cines import MeasuredCine, measure_function
from cmr_ssp.function.measuring import measure_files
from cmr_ssp.function.slices import SliceMeasures, SliceRule
from cmr_ssp.function.summary import (
    FUNCTION_BEGINS,
    CardiacFunction,
    Quantity,
    cardiac_function,
    function_csv,
)
from cmr_ssp.function.ventricles import CountedSlice, Ventricle
from cmr_ssp.function.volumes import (
    VOLUMES_BEGIN,
    FrameVolumes,
    find_ed_es,
    frame_volumes,
    volumes_csv,
    voxel_ml,
)

__all__ = [
    "FUNCTION_BEGINS",
    "VOLUMES_BEGIN",
    "CardiacFunction",
    "CountedSlice",
    "FrameVolumes",
    "FunctionChoices",
    "MeasuredCine",
    "PapillarySide",
    "Quantity",
    "Scan",
    "SliceChoice",
    "SliceMeasures",
    "SliceRule",
    "Ventricle",
    "cardiac_function",
    "find_ed_es",
    "frame_volumes",
    "function_csv",
    "measure_files",
    "measure_function",
    "volumes_csv",
    "voxel_ml",
]
