"""Labels layers to NIfTI, on the grid of the file that they were drawn on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import ImageError, OutputError, Problem, Severity
from cmr_ssp.files import open_cine, write_segmentation
from cmr_ssp.subjects import CineStack, Grid, same_affine
from numpy.typing import NDArray

from napari_cmr_ssp.scene import edits
from napari_cmr_ssp.scene.layers import UNKNOWN

_MEANING = ", ".join(f"{structure.name} {structure.value}" for structure in Structure)
_MOST_LISTED = 8


def write_labels(
    path: str | None = None, data: Any = None, attributes: dict[str, Any] | None = None
) -> list[str]:
    """Write a labels layer as structures and show what is odd about it; what napari calls to save one.

    A layer of this plugin gets the geometry of its source file. Any other has none but its scale.

    Parameters
    ----------
    path : str
        File to write, see `write_structures`. Without one, as napari's command palette calls it, the user is
        asked where to save the chosen labels layer.
    data : array of int, shape (frame, slice, row, column) or (slice, row, column)
        0 or a `Structure` number.
    attributes : dict
        What napari says about the layer.

    Returns
    -------
    list of str
        The file.

    Raises
    ------
    OutputError
        As `write_structures` does.
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
    """Write the labels of a layer as structures.

    Parameters
    ----------
    path : Path
        File to write; replaced only where it is a segmentation of this program. A name without an ending gets
        ``.nii.gz``.
    data : array of int, shape (frame, slice, row, column) or (slice, row, column)
        0 or a `Structure` number.
    attributes : Mapping
        What napari says about the layer.

    Returns
    -------
    Path
        The file.
    tuple of Problem
        Warnings about it.

    Raises
    ------
    OutputError
        If the layer is no stack of structures, does not fit its source, or `path` is no place for it.
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
            what = f"nobody says what its numbers mean; they were saved as {_MEANING}"
            warnings.append(_warning(name, what, "Check that this is what they are."))
    else:
        stack = _stack(labels, Grid(_volume(labels), spacing_mm, np.diag([*spacing_mm[::-1], 1.0])), about)
        warnings.append(_no_source(name, spacing_mm))
    write_segmentation(path, labels, stack, cine=about.get("cine", ""))
    return path, tuple(warnings)


def _structures(name: str, data: Any) -> NDArray[np.uint8]:
    """Return the labels as the engine has them, once they are known to be structures."""
    if not hasattr(data, "dtype") or isinstance(data, Sequence):
        remedy = "Save a layer of one resolution."
        raise OutputError.of(name, "it has several resolutions", remedy)
    if data.ndim not in (3, 4):
        what = f"it has {data.ndim} axes"
        raise OutputError.of(name, what, "Save (frame, slice, row, column) or (slice, row, column).")
    numbers = np.asarray(data)
    strange = np.unique(numbers[(numbers < 0) | (numbers > max(Structure))])
    if strange.size:
        listed = ", ".join(f"{number:g}" for number in strange[:_MOST_LISTED])
        more = ", ..." if strange.size > _MOST_LISTED else ""
        what = f"it holds {listed}{more}, which is no structure ({_MEANING})"
        raise OutputError.of(name, what, "Draw structures with their own numbers.")
    labels = numbers.astype(np.uint8)
    if not np.array_equal(labels, numbers):
        raise OutputError.of(name, "it holds fractions", "Draw structures with whole numbers.")
    return labels


def _refuse_sources(path: Path, sources: Sequence[Path]) -> None:
    """Refuse to write over a file that the layer comes from: image or labels, ours or not."""
    with suppress(OSError):
        if any(source.exists() and path.samefile(source) for source in sources):
            raise OutputError.of(path, "the layer comes from this file", "Choose another name.")


def _on_source(
    name: str,
    labels: NDArray[np.uint8],
    about: Mapping[str, Any],
    sources: Sequence[Path],
    spacing_mm: tuple[float, float, float],
) -> CineStack:
    """Return the stack of the source file, or one of the same grid where that file is gone."""
    affine = np.asarray(about["affine"], np.float64)
    for source in sources:
        with suppress(ImageError):
            grid = open_cine(source).grid
            if not same_affine(grid.affine, affine):
                continue
            if grid.shape != _volume(labels):
                what = f"its volumes have the shape {_volume(labels)}, those of {source.name} {grid.shape}"
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
    """Return the layer's scale along slice, row and column; in mm where its unit is a length."""
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
        f"it does not say where it lies in the patient; it was saved with voxels of {voxel} mm (slice, row, "
        f"column, from its scale), no rotation, and the numbers {_MEANING}"
    )
    return _warning(name, what, "Check the voxel size before you trust a volume.")


def _warning(name: str, what: str, remedy: str) -> Problem:
    return Problem(name, what, remedy, Severity.WARNING)


def show_problems(warnings: Sequence[Problem]) -> None:
    """Show warnings as napari's notifications; in the GUI thread alone."""
    from napari.utils.notifications import show_warning

    for warning in warnings:
        show_warning(str(warning))
