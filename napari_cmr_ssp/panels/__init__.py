"""The panels of the workbench, one folder each.

A panel is a controller, plain Python that is given the `Context` (session, scene, desk, preferences), and a
view, which is Qt and knows no job and no file. Panels do not import each other. A new one is a folder like
these, and its controller in `PANELS`.
"""

from napari_cmr_ssp.context import Panel
from napari_cmr_ssp.panels.correct.controller import CorrectController
from napari_cmr_ssp.panels.data.controller import DataController
from napari_cmr_ssp.panels.reconstructions.controller import ReconstructionController
from napari_cmr_ssp.panels.runs.controller import RunsController
from napari_cmr_ssp.panels.save.controller import SaveController
from napari_cmr_ssp.panels.train.controller import TrainController

PANELS: tuple[type[Panel], ...] = (
    DataController,
    TrainController,
    RunsController,
    CorrectController,
    ReconstructionController,
    SaveController,
)
"""In the order of their tabs."""

__all__ = [
    "PANELS",
    "CorrectController",
    "DataController",
    "ReconstructionController",
    "RunsController",
    "SaveController",
    "TrainController",
]
