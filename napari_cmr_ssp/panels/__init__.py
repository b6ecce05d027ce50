"""The panels of the workbench, one folder each.

A panel consists of a controller, without Qt, and a panel view, which is its Qt widget and accesses no jobs
and no files. Controllers receive the `Context`: session, scene, desk and preferences. Panels do not import
each other. To add one, create a folder and add its controller to `PANELS`.
"""

from napari_cmr_ssp.context import Panel
from napari_cmr_ssp.panels.correct.controller import CorrectController
from napari_cmr_ssp.panels.data.controller import DataController
from napari_cmr_ssp.panels.frames.controller import FramesController
from napari_cmr_ssp.panels.function.controller import FunctionController
from napari_cmr_ssp.panels.legend.controller import LegendController
from napari_cmr_ssp.panels.reconstructions.controller import ReconstructionController
from napari_cmr_ssp.panels.runs.controller import RunsController
from napari_cmr_ssp.panels.save.controller import SaveController
from napari_cmr_ssp.panels.train.controller import TrainController

PANELS: tuple[type[Panel], ...] = (
    DataController,
    TrainController,
    RunsController,
    CorrectController,
    FunctionController,
    ReconstructionController,
    SaveController,
    FramesController,
    LegendController,
)
"""Controllers in the order of their tabs."""

__all__ = [
    "PANELS",
    "CorrectController",
    "DataController",
    "FramesController",
    "FunctionController",
    "LegendController",
    "ReconstructionController",
    "RunsController",
    "SaveController",
    "TrainController",
]
