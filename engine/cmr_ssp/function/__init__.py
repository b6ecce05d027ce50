"""Clinical function: measurements on segmentations, such as volumes, ejection fraction and mass."""

from cmr_ssp.function.choices import FunctionChoices, PapillarySide, Scan, SliceChoice
from cmr_ssp.function.cines import MeasuredCine, measure_function
from cmr_ssp.function.estimate import estimated_dice
from cmr_ssp.function.flags import Flag, FlagCode, Gravity, Judged
from cmr_ssp.function.measuring import measure_files
from cmr_ssp.function.quality import QualityFlags, find_flags
from cmr_ssp.function.shape_facts import ShapeFacts, measure_shapes
from cmr_ssp.function.slices import SliceMeasures, SliceRule
from cmr_ssp.function.summary import (
    FUNCTION_BEGINS,
    CardiacFunction,
    MeasuredQuantity,
    cardiac_function,
    function_csv,
)
from cmr_ssp.function.tidying import Change, Step, Tidied, tidy
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
    "Change",
    "CountedSlice",
    "Flag",
    "FlagCode",
    "FrameVolumes",
    "FunctionChoices",
    "Gravity",
    "Judged",
    "MeasuredCine",
    "MeasuredQuantity",
    "PapillarySide",
    "QualityFlags",
    "Scan",
    "ShapeFacts",
    "SliceChoice",
    "SliceMeasures",
    "SliceRule",
    "Step",
    "Tidied",
    "Ventricle",
    "cardiac_function",
    "estimated_dice",
    "find_ed_es",
    "find_flags",
    "frame_volumes",
    "function_csv",
    "measure_files",
    "measure_function",
    "measure_shapes",
    "tidy",
    "volumes_csv",
    "voxel_ml",
]
