"""napari reader for DICOM exams (folders or zip archives) and cohort folders."""

from __future__ import annotations

from pathlib import Path

from cmr_ssp.errors import CmrSspError, ImageError
from cmr_ssp.files import exam_id, open_cohort
from cmr_ssp.files.dicom import list_dicom, may_be_exam, open_dicom
from cmr_ssp.subjects import Cohort

from napari_cmr_ssp.io.reader import PathOrPaths, Reader, show_warnings
from napari_cmr_ssp.scene.exams import read_exam
from napari_cmr_ssp.scene.layers import LayerData, image_layer, segmentation_layer, source_metadata


def get_folder_reader(path: PathOrPaths | None = None) -> Reader | None:
    """Return a reader for cohort folders and DICOM exams, None for any other folder or archive.

    Without a path, as in a call from napari's command palette, ask the user for a folder and open it.

    Folders without a known layout are left to other plugins.
    """
    if path is None:
        from napari_cmr_ssp.io.palette import open_exam_folder

        return open_exam_folder()
    if not isinstance(path, str):
        return None
    source = Path(path)
    is_readable = may_be_exam(source) and (_cohort(source) is not None or _is_dicom(source))
    return read_folder if is_readable else None


def read_folder(path: PathOrPaths) -> list[LayerData]:
    """Read the first subject of a cohort, with its labels if there are any, or a DICOM exam.

    Raises
    ------
    CmrSspError
        If the files cannot be read.
    """
    source = Path(path if isinstance(path, str) else path[0])
    cohort = _cohort(source)
    return _dicom_layer(source) if cohort is None else _first_subject(cohort)


def _cohort(source: Path) -> Cohort | None:
    try:
        return open_cohort(source) if source.is_dir() else None
    except CmrSspError:
        return None


def _is_dicom(source: Path) -> bool:
    """Return whether there is any DICOM image; problems are reported when it is read."""
    try:
        return bool(list_dicom(source).series)
    except CmrSspError:
        return False


def _first_subject(cohort: Cohort) -> list[LayerData]:
    if not cohort.subjects:
        raise ImageError(*cohort.problems)
    exam = read_exam(cohort.subjects[0])
    subject, grid = exam.subject, exam.stack.grid
    about = exam.metadata
    layers = [image_layer(exam.pixels, grid, subject.id, **about)]
    if exam.references:
        layers.append(segmentation_layer(exam.reference_labels, grid, f"{subject.id} reference", **about))
    if len(cohort.subjects) > 1:
        from napari.utils.notifications import show_info

        more = f"This is the first of {len(cohort.subjects)} subjects."
        show_info(f"{more} Plugins > Cardiac MR workbench shows all of them.")
    return layers


def _dicom_layer(source: Path) -> list[LayerData]:
    stack = open_dicom(source)
    about = source_metadata(stack.grid, stack.sources) | {"frame_spacing_s": stack.frame_spacing_s}
    # Not the name of the folder, which may identify a person.
    layer = image_layer(stack.load(), stack.grid, exam_id(source), **about)
    show_warnings(stack)
    return [layer]
