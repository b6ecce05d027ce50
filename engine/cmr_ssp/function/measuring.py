"""Volumes of the structures in label files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cmr_ssp.anatomy import Numbering
from cmr_ssp.errors import LabelError, Problem, is_text
from cmr_ssp.files.formats.nifti import stem_of
from cmr_ssp.files.labels.importing import read_label_volumes
from cmr_ssp.files.labels.marks import LabelMark, read_mark
from cmr_ssp.function.volumes import FrameVolumes, frame_volumes
from cmr_ssp.subjects.subject import is_formula


def measure_files(files: Sequence[Path], numbering: Numbering | None = None) -> list[FrameVolumes]:
    """Measure every frame of label files; subjects are named after the files.

    Parameters
    ----------
    files : sequence of Path
        NIfTI, 4D or 3D.
    numbering : Numbering, optional
        Meaning of the numbers, if the files do not define it.

    Raises
    ------
    LabelError
        If a file cannot be read, or its name is not allowed in a table.
    """
    _require_plain_names(files)
    rows: list[FrameVolumes] = []
    for path in files:
        found = read_label_volumes(path, numbering)
        mark, name = read_mark(path) or LabelMark(labels=""), stem_of(path).removesuffix("_seg")
        rows += frame_volumes(
            found.labels, found.grid.spacing_mm, name, cine=mark.cine, checkpoint=mark.checkpoint
        )
    return rows


def _require_plain_names(files: Sequence[Path]) -> None:
    """Reject file names that a spreadsheet would evaluate, or that are not valid text."""
    what, remedy = "its name would be a formula in a table", "Rename it to begin with a letter or digit."
    odd = [Problem(str(file), what, remedy) for file in files if is_formula(file.name)]
    what, remedy = "its name is not UTF-8 and not allowed in a table", "Rename it."
    odd += [Problem(str(file), what, remedy) for file in files if not is_text(file.name)]
    if odd:
        raise LabelError(*odd)
