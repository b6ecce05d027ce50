"""Labels that somebody edited, to a NIfTI file or to label versions; knows no widget."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import CmrSspError, LabelError, Problem
from cmr_ssp.files import add_version
from cmr_ssp.files.versions.versions import require_apart
from cmr_ssp.subjects import Cohort, Origin, Segmentation
from numpy.typing import NDArray

from napari_cmr_ssp.io.results import read_found
from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.scene.exams import Exam

_PLUGIN = "napari-cmr-ssp"


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A copy of a labels layer, so that it can be written while somebody paints on.

    Attributes
    ----------
    data : ndarray of int, shape (frame, slice, row, column)
        0 or a `Structure` number.
    attributes : Mapping
        What napari says about the layer.
    """

    data: NDArray[Any]
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, layer: Any) -> Drawing:
        """Copy a layer."""
        data, attributes, _ = layer.as_layer_data_tuple()
        return cls(np.array(data), attributes)

    def forget_edits(self, layer: Any) -> None:
        """Take note that a layer is saved, unless somebody painted on since it was copied."""
        if np.array_equal(layer.data, self.data):
            edits.forget(layer.data)

    @property
    def about(self) -> Mapping[str, Any]:
        """What the layer knows of its exam."""
        found: Mapping[str, Any] = self.attributes.get("metadata") or {}
        return found


def add_versions(
    folder: Path, cohort: Cohort | None, exam: Exam, drawing: Drawing, frames: Mapping[Phase, int]
) -> list[Path]:
    """Keep drawn phases of an exam as its newest label versions; labels that are there stay.

    Parameters
    ----------
    folder : Path
        The label folder.
    cohort : Cohort or None
        The open one; the folder must not lie in it.
    exam : Exam
        Whose labels they are.
    drawing : Drawing
        On the exam's grid.
    frames : Mapping of Phase to int
        Which frame of it is which phase.

    Returns
    -------
    list of Path
        The new files.

    Raises
    ------
    CmrSspError
        Naming every phase that cannot be kept; the others are.
    """
    if cohort is not None:
        require_apart(cohort, folder)
    files: list[Path] = []
    problems: list[Problem] = []
    for phase, frame in frames.items():
        try:
            files.append(_add_version(folder, exam, drawing, phase, frame))
        except CmrSspError as error:
            problems += error.problems
    if problems:
        raise LabelError(*problems)
    return files


def _add_version(folder: Path, exam: Exam, drawing: Drawing, phase: Phase, frame: int) -> Path:
    checkpoint = str(drawing.about.get("checkpoint", ""))
    # Imported labels descend as the version before them does.
    origin = Origin.CORRECTED if checkpoint else Origin.IMPORTED
    labels = _segmentation(drawing.data[frame], frame)
    prediction = _prediction(exam, drawing, frame) if checkpoint else None
    version = add_version(
        folder, exam.subject, phase, labels, origin=origin, checkpoint=checkpoint, prediction=prediction
    )
    return version.path


def _segmentation(numbers: NDArray[Any], frame: int) -> Segmentation:
    strange = [int(number) for number in np.unique(numbers) if number not in (0, *Structure)]
    if strange:
        what = f"frame {frame} holds {strange}, which are no structures"
        raise LabelError.of("labels", what, "Draw with LV 1, MYO 2, RV 3.")
    labels = numbers.astype(np.uint8)
    return Segmentation(labels, frame, frozenset(each for each in Structure if (labels == each).any()))


def _prediction(exam: Exam, drawing: Drawing, frame: int) -> Segmentation | None:
    """Return what the network had found in a frame, as long as its file still holds that."""
    found = read_found(Path(drawing.about["file"]), exam)
    if found is None or found.checkpoint != drawing.about["checkpoint"]:
        return None
    return _segmentation(found.labels[frame], frame)


def offer_nifti_first() -> None:
    """Let napari's own dialog for labels begin with NIfTI; in TIFF files they lose their geometry."""
    from npe2 import PluginManager

    # npe2 orders the writers of one kind of layer as they were registered, and offers no way to change that.
    with suppress(AttributeError, TypeError, ValueError):
        writers = PluginManager.instance()._contrib._writers
        writers.sort(key=lambda entry: not entry[-1].command.startswith(f"{_PLUGIN}."))
