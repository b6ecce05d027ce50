"""napari writer: labels layers to NIfTI, on the grid of their source file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import ImageError, OutputError, Problem
from cmr_ssp.files import open_cine, write_segmentation
from cmr_ssp.subjects import CineStack, Grid, same_affine
from numpy.typing import NDArray

from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.scene.layers import UNKNOWN

_MEANING = ", ".join(f"{structure.name} {structure.value}" for structure in Structure)
_MAX_LISTED = 8


def write_labels(
    path: str | None = None, data: Any = None, attributes: dict[str, Any] | None = None
) -> list[str]:
    """Write a labels layer and show warnings; napari calls this to save a layer.

    Layers of this plugin get the geometry of their source file, other layers only their scale.

    Parameters
    ----------
    path : str
        File to write, see `write_structures`. Without a path, as in a call from napari's command palette, the
        user is asked where to save the selected labels layer.
    data : array of int, shape (frame, slice, row, column) or (slice, row, column)
        0 or a `Structure` number.
    attributes : dict
        Attributes of the napari layer.

    Returns
    -------
    list of str
        The written file.

    Raises
    ------
    OutputError
        As for `write_structures`.
    """
    if path is None:
        from napari_cmr_ssp.io.palette import save_chosen_labels

        return save_chosen_labels()
    file, warnings = write_structures(Path(path), data, attributes or {})
    edits.forget(data)
    show_problems(warnings)
    return [str(file)]


def write_structures(
    path: Path, data: Any, attributes: Mapping[str, Any]
) -> tuple[Path, tuple[Problem, ...]]:
    """Write the labels of a layer as structures to a NIfTI file.

    Parameters
    ----------
    path : Path
        File to write; an existing file is replaced only if it is a segmentation of this program. The default
        extension is ``.nii.gz``.
    data : array of int, shape (frame, slice, row, column) or (slice, row, column)
        0 or a `Structure` number.
    attributes : Mapping
        Attributes of the napari layer.

    Returns
    -------
    Path
        The written file.
    tuple of Problem
        Warnings.

    Raises
    ------
    OutputError
        If the layer is not a stack of structures, does not fit its source, or cannot be written to `path`.
    """
    path = path if path.suffix else path.with_name(f"{path.name}.nii.gz")
    name = f"layer '{attributes.get('name', '')}'"
    about = attributes.get("metadata") or {}
    labels = _structures(name, data)
    sources = [Path(source) for source in about.get("sources", ())]
    _refuse_sources(path, sources)
    spacing_mm = _spacing_mm(attributes, labels.ndim)
    warnings = []
    if "affine" in about:
        stack = _on_source(name, labels, about, sources, spacing_mm)
        if about.get("numbering") == UNKNOWN:
            what = f"the meaning of its numbers is unknown; they were saved as {_MEANING}"
            warnings.append(Problem.warning(name, what, "Check that this is correct."))
    else:
        stack = _stack(labels, Grid(_volume(labels), spacing_mm, np.diag([*spacing_mm[::-1], 1.0])), about)
        warnings.append(_no_source(name, spacing_mm))
    write_segmentation(path, labels, stack, cine=about.get("cine", ""))
    return path, tuple(warnings)


def _structures(name: str, data: Any) -> NDArray[np.uint8]:
    """Check that the layer contains structures only, and return it as unsigned 8-bit labels."""
    if not hasattr(data, "dtype") or isinstance(data, Sequence):
        remedy = "Save a layer with a single resolution."
        raise OutputError.of(name, "it is a multiscale layer", remedy)
    if data.ndim not in (3, 4):
        what = f"it has {data.ndim} axes"
        raise OutputError.of(
            name, what, "Save a layer with the axes (frame, slice, row, column) or (slice, row, column)."
        )
    numbers = np.asarray(data)
    strange = np.unique(numbers[(numbers < 0) | (numbers > max(Structure))])
    if strange.size:
        listed = ", ".join(f"{number:g}" for number in strange[:_MAX_LISTED])
        more = ", ..." if strange.size > _MAX_LISTED else ""
        what = f"it contains {listed}{more}, but the structures are {_MEANING}"
        raise OutputError.of(name, what, "Use only the numbers of the structures.")
    labels = numbers.astype(np.uint8)
    if not np.array_equal(labels, numbers):
        raise OutputError.of(name, "it contains fractions", "Use whole numbers.")
    return labels


def _refuse_sources(path: Path, sources: Sequence[Path]) -> None:
    """Refuse to overwrite a source file of the layer."""
    with suppress(OSError):
        if any(source.exists() and path.samefile(source) for source in sources):
            raise OutputError.of(path, "it is a source file of this layer", "Choose another name.")


def _on_source(
    name: str,
    labels: NDArray[np.uint8],
    about: Mapping[str, Any],
    sources: Sequence[Path],
    spacing_mm: tuple[float, float, float],
) -> CineStack:
    """Return a stack with the grid of the source file, or of the metadata if the file is missing."""
    affine = np.asarray(about["affine"], np.float64)
    for source in sources:
        with suppress(ImageError):
            grid = open_cine(source).grid
            if not same_affine(grid.affine, affine):
                continue
            if grid.shape != _volume(labels):
                what = f"its volumes have shape {_volume(labels)}, but those of {source.name} {grid.shape}"
                raise OutputError.of(name, what, "Save a layer on the grid of its source.")
            return _stack(labels, grid, about, source)
    reverse = bool(about.get("slices_reversed", False))
    return _stack(labels, Grid(_volume(labels), spacing_mm, affine, reverse), about)


def _stack(labels: NDArray[np.uint8], grid: Grid, about: Mapping[str, Any], *sources: Path) -> CineStack:
    n_frames = labels.shape[0] if labels.ndim == 4 else 1
    return CineStack(
        grid,
        n_frames,
        lambda: labels.astype(np.float32),
        frame_spacing_s=about.get("frame_spacing_s"),
        sources=sources,
    )


def _volume(labels: NDArray[np.uint8]) -> tuple[int, int, int]:
    slices, rows, columns = labels.shape[-3:]
    return slices, rows, columns


def _spacing_mm(attributes: Mapping[str, Any], ndim: int) -> tuple[float, float, float]:
    """Return the scale of the layer along slice, row and column, converted to mm if its unit is a length."""
    scale = attributes.get("scale") or [1.0] * ndim
    units = attributes.get("units") or [None] * ndim
    k, j, i = (abs(_mm(float(step), unit)) for step, unit in list(zip(scale, units, strict=True))[-3:])
    return k, j, i


def _mm(step: float, unit: Any) -> float:
    is_length = hasattr(unit, "is_compatible_with") and unit.is_compatible_with("mm")
    return float((step * unit).to("mm").magnitude) if is_length else step


def _no_source(name: str, spacing_mm: tuple[float, float, float]) -> Problem:
    voxel = " x ".join(f"{size:g}" for size in spacing_mm)
    what = (
        f"its position in the patient is unknown; it was saved with voxels of {voxel} mm (slice, row, "
        f"column, from its scale), without rotation, and with the numbers {_MEANING}"
    )
    return Problem.warning(name, what, "Check the voxel size before you use volumes in ml.")


def show_problems(warnings: Sequence[Problem]) -> None:
    """Show warnings as napari notifications; call this in the GUI thread only."""
    from napari.utils.notifications import show_warning

    for warning in warnings:
        show_warning(str(warning))
