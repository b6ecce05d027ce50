"""Layer data for napari: axes, scale, units, names and colours.

All layers have the same four axes, with frames as steps and space in mm. Otherwise they would not be aligned,
or the slider would have extra steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cmr_ssp.anatomy import COLOURS, TITLES, Structure
from cmr_ssp.subjects import Grid
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cmr_ssp.methods.mim.reconstruct import Reconstruction
    from cmr_ssp.runs import Records

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a layer, as returned by napari readers."""

AXES = ("frame", "slice", "row", "column")
UNITS = ("pixel", "mm", "mm", "mm")
"""Frames are counted, since files often have no frame duration; napari has no unit for counts."""

UNKNOWN = "unknown"
"""Value of ``numbering`` in the metadata of a layer with unknown numbering."""

EXAM = "exam"
"""Name of the exam key in the metadata of a layer."""

INPUT, MASKED, REBUILT, ERROR = (
    f"MIM {part}" for part in ("input", "masked input", "reconstruction", "error")
)
"""Names of the layers of a reconstruction."""

_OPACITY = 0.45
_CONTRAST_PERCENTILES = (1.0, 99.0)
_CONTRAST_SAMPLE = 400_000


def image_layer(pixels: NDArray[np.float32], grid: Grid, name: str, **metadata: object) -> LayerData:
    """Return a cine as an image layer.

    Parameters
    ----------
    pixels : ndarray of float32, shape (frame, slice, row, column)
        The cine.
    grid : Grid
        Its voxel grid.
    name : str
        Name of the layer.
    **metadata
        Metadata of the layer.
    """
    look = {
        "colormap": "gray",
        "contrast_limits": _contrast_limits(pixels),
        "interpolation2d": "linear",  # as in every viewer of a clinic; labels keep their pixels
    }
    return pixels, _placed(grid, name, metadata) | look, "image"


def segmentation_layer(labels: NDArray[np.uint8], grid: Grid, name: str, **metadata: object) -> LayerData:
    """Return structures as a labels layer with their colours and names.

    Parameters
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number; a 3D layer would be shown at every frame.
    grid, name, **metadata
        As for `image_layer`.
    """
    look = {
        "colormap": _structure_colours(),
        "features": {"index": [int(s) for s in Structure], "structure": [TITLES[s] for s in Structure]},
        "opacity": _OPACITY,
    }
    return labels, _placed(grid, name, metadata) | look, "labels"


def numbers_layer(numbers: NDArray[np.uint8], grid: Grid, name: str, **metadata: object) -> LayerData:
    """Return the numbers of a label file with unknown numbering as a labels layer without names."""
    return numbers, _placed(grid, name, metadata) | {"opacity": _OPACITY}, "labels"


def reconstruction_layers(reconstruction: Reconstruction, slice_mm: float) -> list[LayerData]:
    """Return input, masked input, reconstruction and error of one frame as layers over the cine.

    Parameters
    ----------
    reconstruction : Reconstruction
        Reconstructed slices on the crop of the network.
    slice_mm : float
        Distance between slices of the cine.
    """
    slices, spacing = reconstruction.slices, reconstruction.spacing_mm
    shape = (1, slices[-1] - slices[0] + 1, *reconstruction.image.shape[1:])
    place = {
        "axis_labels": AXES,
        "units": UNITS,
        "scale": (1.0, slice_mm, spacing, spacing),
        "translate": (float(reconstruction.frame), slices[0] * slice_mm, *reconstruction.origin_mm),
    }

    def on_grid(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels = np.full(shape, np.nan, np.float32)
        pixels[0, np.subtract(slices, slices[0])] = planes
        return pixels

    planes = {
        ERROR: reconstruction.error,
        REBUILT: reconstruction.composed,
        MASKED: reconstruction.masked,
        INPUT: reconstruction.image,
    }
    return _styled({name: on_grid(part) for name, part in planes.items()}, place, MASKED)


def record_layers(records: Records) -> list[LayerData]:
    """Return the records of a run as layers.

    Parameters
    ----------
    records : Records
        Records of a run; the first axis of the layers counts records, the second slices.
    """
    slices = records.slices
    image, rebuilt = slices.images.astype(np.float32), records.rebuilt.astype(np.float32)
    image, mask = np.broadcast_to(image, rebuilt.shape), np.broadcast_to(slices.masks, rebuilt.shape)
    error = np.where(mask, np.abs(rebuilt - image), np.float32(0))
    spacing = slices.spacing_mm
    place = {
        "axis_labels": ("record", *AXES[1:]),
        "units": ("pixel", "pixel", "mm", "mm"),
        "scale": (1.0, 1.0, spacing, spacing),
    }
    parts = {
        ERROR: error,
        REBUILT: np.where(mask, rebuilt, image),
        MASKED: np.where(mask, np.float32(0), image),
        INPUT: image,
    }
    return _styled(parts, place, REBUILT)


def record_text(records: Records, step: int, number: int) -> str:
    """Return what a slice of a record shows, with its error."""
    subject, frame, slice_ = records.slices.places[number]
    error = records.mean_error[step, number]
    return f"Update {records.updates[step]}: {subject}, frame {frame}, slice {slice_} · error {error:.3f}"


def _styled(
    parts: Mapping[str, NDArray[np.float32]], place: Mapping[str, object], visible: str
) -> list[LayerData]:
    """Return the parts of a reconstruction as layers with a common style; only `visible` is shown."""
    limits = _contrast_limits(parts[INPUT][np.isfinite(parts[INPUT])])
    grey: dict[str, object] = {"colormap": "gray", "contrast_limits": limits}
    highest = max(1e-6, float(np.nanpercentile(parts[ERROR], 99.5)))
    error: dict[str, object] = {"colormap": "inferno", "contrast_limits": (0.0, highest)}

    def about(name: str) -> dict[str, object]:
        return {"name": name, "metadata": {"part": name}, "visible": name == visible}

    return [
        (pixels, about(name) | dict(place) | (error if name == ERROR else grey), "image")
        for name, pixels in parts.items()
    ]


def source_metadata(grid: Grid, sources: Iterable[Path]) -> dict[str, object]:
    """Return the metadata that is needed to write a layer on the grid of its source."""
    return {
        "affine": grid.affine,
        "slices_reversed": grid.slices_reversed,
        "slice_order": str(grid.slice_order),
        "sources": [str(path) for path in sources],
    }


def _placed(grid: Grid, name: str, metadata: Mapping[str, object]) -> dict[str, Any]:
    """Return the arguments that all layers of a cine share."""
    return {
        "name": name,
        "axis_labels": AXES,
        "scale": (1.0, *grid.spacing_mm),
        "units": UNITS,
        "metadata": dict(metadata),
    }


def _structure_colours() -> Any:
    from napari.utils.colormaps import DirectLabelColormap

    # napari requires an entry for all other numbers: None
    named: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    return DirectLabelColormap(color_dict=named | {int(s): colour for s, colour in COLOURS.items()})


def _contrast_limits(pixels: NDArray[np.float32]) -> tuple[float, float]:
    """Return percentiles of the pixels, estimated on a sample, so that few pixels are saturated."""
    step = max(1, pixels.size // _CONTRAST_SAMPLE) | 1  # odd, to sample all columns
    dark, bright = (float(v) for v in np.percentile(pixels.ravel()[::step], _CONTRAST_PERCENTILES))
    return (dark, bright) if dark < bright else (dark, dark + 1.0)
