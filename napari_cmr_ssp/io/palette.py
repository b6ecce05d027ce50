"""File dialogs for readers and writer, which napari's command palette calls without a path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cmr_ssp.io.reader import Reader

_PLUGIN = "napari-cmr-ssp"
NIFTI_FILTER = "NIfTI (*.nii.gz *.nii)"


def open_cine_file() -> Reader | None:
    """Ask for a NIfTI file and open it; return None, since napari has nothing left to read."""
    from qtpy.QtWidgets import QFileDialog

    chosen, _ = QFileDialog.getOpenFileName(None, "Open a cardiac MR cine", "", NIFTI_FILTER)
    _open(chosen)
    return None


def open_exam_folder() -> Reader | None:
    """Ask for a cohort folder or the folder of a DICOM exam and open it."""
    from qtpy.QtWidgets import QFileDialog

    _open(QFileDialog.getExistingDirectory(None, "Open a cardiac MR cohort or DICOM exam"))
    return None


def save_chosen_labels() -> list[str]:
    """Ask where to save the selected labels layer; return the written file, if any."""
    from napari import current_viewer
    from napari.layers import Labels
    from napari.utils.notifications import show_warning
    from qtpy.QtWidgets import QFileDialog

    viewer = current_viewer()
    layer = viewer.layers.selection.active if viewer is not None else None
    if not isinstance(layer, Labels):
        show_warning("Select a labels layer in the layer list, then save it.")
        return []
    name = str(Path.home() / f"{layer.name}.nii.gz")
    chosen, _ = QFileDialog.getSaveFileName(None, "Save labels", name, NIFTI_FILTER)
    from napari_cmr_ssp.io.writer import write_labels

    data, attributes, _ = layer.as_layer_data_tuple()
    return write_labels(chosen, data, attributes) if chosen else []


def _open(path: str) -> None:
    from napari import current_viewer

    viewer = current_viewer()
    if path and viewer is not None:
        viewer.open(path, plugin=_PLUGIN)
