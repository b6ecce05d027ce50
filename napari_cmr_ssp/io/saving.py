"""Save edited labels as label versions; independent of widgets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.editing.states import ContourStates
from cmr_ssp.errors import CmrSspError, LabelError, Problem
from cmr_ssp.files import add_version
from cmr_ssp.files.versions.versions import require_apart
from cmr_ssp.subjects import Cohort, Origin, Segmentation
from numpy.typing import NDArray

from napari_cmr_ssp.io.results import read_stored
from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.scene.exams import Exam

_PLUGIN = "napari-cmr-ssp"


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A copy of a labels layer, which a background thread can write while the user continues to paint.

    Attributes
    ----------
    data : ndarray of int, shape (frame, slice, row, column)
        0 or a `Structure` number.
    attributes : Mapping
        Attributes of the napari layer.
    states : ContourStates or None
        States of the contours, if they were corrected in the workbench.
    """

    data: NDArray[Any]
    attributes: Mapping[str, Any]
    states: ContourStates | None = None

    @classmethod
    def from_layer(cls, layer: Any, states: ContourStates | None = None) -> Drawing:
        """Copy a layer, and the states of its contours."""
        data, attributes, _ = layer.as_layer_data_tuple()
        return cls(np.array(data), attributes, ContourStates(states.array.copy()) if states else None)

    def forget_edits(self, layer: Any) -> None:
        """Mark a layer as saved, unless it changed since it was copied."""
        if np.array_equal(layer.data, self.data):
            edits.forget(layer.data)

    def is_within(self, frames: Collection[int]) -> bool:
        """Return whether all contours that a person decided are in these frames."""
        return self.states is not None and set(self.states.decided_frames) <= set(frames)

    @property
    def about(self) -> Mapping[str, Any]:
        """Metadata of the layer about its exam."""
        metadata: Mapping[str, Any] = self.attributes.get("metadata") or {}
        return metadata


def add_versions(
    folder: Path, cohort: Cohort | None, exam: Exam, drawing: Drawing, frames: Mapping[Phase, int]
) -> list[Path]:
    """Save phases of an exam as its newest label versions; existing versions are kept.

    Parameters
    ----------
    folder : Path
        Folder of label versions.
    cohort : Cohort or None
        The open cohort; the folder must not be inside it.
    exam : Exam
        Exam of the labels.
    drawing : Drawing
        Labels on the grid of the exam.
    frames : Mapping of Phase to int
        Frame of each phase to save.

    Returns
    -------
    list of Path
        The new files.

    Raises
    ------
    CmrSspError
        If phases cannot be saved; the error names them, and the others are saved.
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
    # Imported labels inherit the lineage of the version before them, those that began empty have none.
    by_hand = drawing.about.get("origin") == Origin.MANUAL
    origin = Origin.CORRECTED if checkpoint else Origin.MANUAL if by_hand else Origin.IMPORTED
    labels = _segmentation(drawing.data[frame], frame)
    prediction = _prediction(exam, drawing, frame) if checkpoint else None
    version = add_version(
        folder,
        exam.subject,
        phase,
        labels,
        origin=origin,
        checkpoint=checkpoint,
        prediction=prediction,
        states=drawing.states.titles(frame) if drawing.states is not None else None,
    )
    return version.path


def _segmentation(numbers: NDArray[Any], frame: int) -> Segmentation:
    strange = [int(number) for number in np.unique(numbers) if number not in (0, *Structure)]
    if strange:
        what = f"frame {frame} contains {strange}, which are not structures"
        raise LabelError.of("labels", what, "Use LV 1, MYO 2 and RV 3.")
    labels = numbers.astype(np.uint8)
    return Segmentation(labels, frame, frozenset(each for each in Structure if (labels == each).any()))


def _prediction(exam: Exam, drawing: Drawing, frame: int) -> Segmentation | None:
    """Return the original prediction of a frame, if its file is unchanged."""
    stored = read_stored(Path(drawing.about["file"]), exam)
    if stored is None or stored.checkpoint != drawing.about["checkpoint"]:
        return None
    return _segmentation(stored.labels[frame], frame)


def offer_nifti_first() -> None:
    """Make NIfTI the first file type in napari's save dialog for labels; TIFF would lose the geometry."""
    from npe2 import PluginManager

    # npe2 keeps the writers of a layer type in registration order, and has no public way to change it.
    with suppress(AttributeError, TypeError, ValueError):
        writers = PluginManager.instance()._contrib._writers
        writers.sort(key=lambda entry: not entry[-1].command.startswith(f"{_PLUGIN}."))
