"""DICOM segmentation objects, one per frame, that refer to the source images of that frame.

highdicom supports one time point per object, not a whole cine (its issues 174 and 369). The object refers to
its source images and copies patient and study from them, so it contains the patient's identity.
The SNOMED CT subset of DICOM has no codes for the cavities; the segment labels state what is meant.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import TITLES, Structure
from cmr_ssp.atomic import replacing
from cmr_ssp.errors import OutputError
from cmr_ssp.exports.dicom_parts import MANUFACTURER, MODEL, load_highdicom, software_version
from cmr_ssp.exports.instances import instance_pixels, read_instances
from cmr_ssp.exports.moments import check_targets
from cmr_ssp.subjects import Grid, structures_in

_CODES = {
    Structure.LV: ("87878005", "Left ventricle"),
    Structure.MYO: ("49848007", "Left Ventricle Myocardium"),
    Structure.RV: ("53085002", "Right ventricle"),
}


class MadeBy(StrEnum):
    """Type of algorithm that made the contours, as DICOM defines it."""

    AUTOMATIC = "AUTOMATIC"
    SEMIAUTOMATIC = "SEMIAUTOMATIC"
    MANUAL = "MANUAL"


def write_dicom_seg(
    path: Path,
    labels: NDArray[np.uint8],
    grid: Grid,
    instances: Sequence[Any],
    *,
    with_identity: bool,
    made_by: MadeBy = MadeBy.AUTOMATIC,
    description: str = "",
    replace: bool = False,
) -> None:
    """Write the segmentation of one frame as a DICOM SEG object.

    Parameters
    ----------
    path : Path
        File to write.
    labels : ndarray of uint8, shape (slice, row, column)
        0 or a `Structure` number, in the engine's slice order. Structures without voxels get no segment.
    grid : Grid
        Grid of the labels; slices and pixels are matched to the instances by position.
    instances : sequence of pydicom data sets or paths
        Source images of this frame, one per slice, in any order.
    with_identity : bool
        Must be True to confirm that the patient's name, id, birth date and study are copied.
    made_by : MadeBy
        Type of algorithm.
    description : str
        Content description, at most 64 characters.
    replace : bool
        Overwrite an existing file.

    Raises
    ------
    OutputError
        If `with_identity` is not True, highdicom is not installed, nothing is labelled, the file exists, or
        instances and grid do not match.
    """
    highdicom = _allowed(path, instances, with_identity=with_identity, replace=replace)
    if not labels.any():
        raise OutputError.of(path, "nothing is labelled in this frame", "Choose a labelled frame.")
    sources, planes = _matched(path, labels, grid, read_instances(instances))
    try:
        made = _segmentation(highdicom, sources, planes, made_by, description)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        what = f"its source images cannot be used for a segmentation ({error})"
        raise OutputError.of(path, what, "Use the original DICOM files of one study.") from error
    with replacing(path) as temporary:
        made.save_as(temporary)


def _allowed(path: Path, instances: Sequence[Any], *, with_identity: bool, replace: bool) -> Any:
    """Check that the file may be written, and import highdicom."""
    if with_identity is not True:
        what = "a DICOM segmentation contains the patient's name, id and birth date from its source images"
        raise OutputError.of(path, what, "Confirm this with --with-identity, or export another format.")
    highdicom = load_highdicom(path)
    check_targets([path], [i for i in instances if isinstance(i, Path)], replace=replace)
    return highdicom


def _segmentation(
    highdicom: Any, sources: Sequence[Any], planes: NDArray[np.uint8], made_by: MadeBy, description: str
) -> Any:
    """Create the object; `planes` are the labels on the pixels of each source, shape (slice, row, column)."""
    present = sorted(structures_in(planes))
    segments = [_segment(highdicom, n, structure, made_by) for n, structure in enumerate(present, start=1)]
    with warnings.catch_warnings():
        # anonymisers write names with a single component
        warnings.simplefilter("ignore", UserWarning)
        return highdicom.seg.Segmentation(
            **_sources(highdicom, [_readable(source) for source in sources]),
            pixel_array=np.stack([planes == structure for structure in present], axis=-1).astype(np.uint8),
            segmentation_type="BINARY",
            segment_descriptions=segments,
            series_instance_uid=highdicom.UID(),
            series_number=1000,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MODEL,
            software_versions=software_version(),
            device_serial_number="0",
            content_description=description[:64] or None,
            content_label="CARDIAC_CINE",
        )


def _sources(highdicom: Any, instances: Sequence[Any]) -> dict[str, Any]:
    """Return the arguments of highdicom that define sources and positions of the frames.

    highdicom derives positions from sources of a single series. If each slice is a separate series, or
    orientations differ in their last digits, positions are passed explicitly, with further source images.
    """
    first = instances[0]
    references = {str(i.get("FrameOfReferenceUID")) for i in instances}
    if len(references) > 1:
        raise ValueError(
            f"they have {len(references)} different frames of reference, perhaps after anonymisation"
        )
    alike = [i for i in instances if _series(i) == _series(first)]
    if len(alike) == len(instances):
        return {"source_images": instances}
    orientation = [float(value) for value in first.ImageOrientationPatient]
    for other in instances:
        if not np.allclose(np.array(other.ImageOrientationPatient, float), orientation, atol=1e-4):
            raise ValueError("they differ in orientation")
    places = [[float(value) for value in i.ImagePositionPatient] for i in instances]
    spacing = [float(value) for value in first.PixelSpacing]
    thickness = first.get("SliceThickness")
    gap = float(np.linalg.norm(np.subtract(places[1], places[0])))
    return {
        "source_images": alike,
        "further_source_images": [i for i in instances if _series(i) != _series(first)],
        "plane_positions": [highdicom.PlanePositionSequence("PATIENT", place) for place in places],
        "plane_orientation": highdicom.PlaneOrientationSequence("PATIENT", orientation),
        "pixel_measures": highdicom.PixelMeasuresSequence(
            spacing, float(thickness) if thickness else None, gap
        ),
    }


def _series(instance: Any) -> tuple[Any, ...]:
    orientation = (float(value) for value in instance.ImageOrientationPatient)
    return str(instance.SeriesInstanceUID), *orientation, *(float(value) for value in instance.PixelSpacing)


def _readable(instance: Any) -> Any:
    """Return an instance without invalid dates such as ``00000000``, which anonymisers write."""
    from pydicom.valuerep import DA, TM

    wrong = []
    for keyword, kind in (("PatientBirthDate", DA), ("StudyDate", DA), ("StudyTime", TM)):
        try:
            kind(instance.get(keyword) or "")
        except ValueError:
            wrong.append(keyword)
    if wrong:
        instance = copy.deepcopy(instance)
        for keyword in wrong:
            setattr(instance, keyword, "")
    return instance


def _matched(
    path: Path, labels: NDArray[np.uint8], grid: Grid, instances: Sequence[Any]
) -> tuple[list[Any], NDArray[np.uint8]]:
    """Sort instances by slice; return them with the labels resampled to their pixels."""
    found = [instance_pixels(instance, grid) for instance in instances]
    slices = [place.slice for place in found if place is not None]
    if len(slices) < len(found) or sorted(slices) != list(range(grid.shape[0])):
        what = (
            f"{len(slices)} of {len(found)} source images match the grid of the labels, on "
            f"{len(set(slices))} of its {grid.shape[0]} slices"
        )
        raise OutputError.of(path, what, "Use the DICOM images from which the cine was made, one per slice.")
    placed = [place for place in found if place is not None]
    order = np.argsort(slices)
    voxels = labels[::-1] if grid.slices_reversed else labels
    planes = np.stack([voxels[placed[n].slice][placed[n].rows, placed[n].columns] for n in order])
    return [instances[n] for n in order], planes


def _segment(highdicom: Any, number: int, structure: Structure, made_by: MadeBy) -> Any:
    concept = highdicom.sr.CodedConcept
    value, meaning = _CODES[structure]
    algorithm = None
    if made_by is not MadeBy.MANUAL:
        family = concept("123109", "DCM", "Artificial Intelligence")
        algorithm = highdicom.AlgorithmIdentificationSequence(
            name=MODEL, family=family, version=software_version()
        )
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=TITLES[structure],
        segmented_property_category=concept("123037004", "SCT", "Anatomical Structure"),
        segmented_property_type=concept(value, "SCT", meaning),
        algorithm_type=made_by.value,
        algorithm_identification=algorithm,
        tracking_uid=highdicom.UID(),
        tracking_id=structure.name,
    )
