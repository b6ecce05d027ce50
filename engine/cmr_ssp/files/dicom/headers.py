"""Convert DICOM headers to planes: one per file, or one per frame of an enhanced multi-frame file.

pydicom is imported inside functions, since listing a folder of NIfTI files does not need it.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_ssp.files.dicom.left_out import Fault
from cmr_ssp.files.dicom.planes import Plane, Vector
from cmr_ssp.files.dicom.reader import Reader, Sparing, begins_as_dicom, is_named_as_dicom
from cmr_ssp.files.dicom.sources import FileRef
from cmr_ssp.subjects import Acquisition

if TYPE_CHECKING:
    from pydicom import Dataset

_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImageType",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "MagneticFieldStrength",
    "HeartRate",
    "NominalInterval",
    "CardiacNumberOfImages",
    "TriggerTime",
    "TemporalPositionIdentifier",
    "FrameReferenceTime",
    "NumberOfTemporalPositions",
    "Rows",
    "Columns",
    "PixelSpacing",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "RescaleSlope",
    "RescaleIntercept",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "NumberOfFrames",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "SpecificCharacterSet",
]
"""All elements that are read, besides those that identify the person."""

_IDENTITY = ("PatientID", "PatientName")
"""The first one present distinguishes people; only its digest is kept."""

_VELOCITY_IMAGES = {"P", "PHASE", "PHASE MAP", "PHASEMAP", "VELOCITY", "VELOCITY MAP", "VELOCITY_MAP"}
_VENDORS = {
    "siemens": "Siemens",
    "general electric": "GE",
    "ge ": "GE",
    "philips": "Philips",
    "canon": "Canon",
    "toshiba": "Canon",
    "united imaging": "United Imaging",
    "uih": "United Imaging",
}
_MR_IMAGES = "1.2.840.10008.5.1.4.1.1.4"
_UNCOMPRESSED = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_ONE_AT_A_TIME = threading.Lock()
_MAX_FRAMES = 20_000
_LONGEST_SIDE = 8192
_FARTHEST_MM = 1e5


def read_planes(reader: Reader, ref: FileRef) -> list[Plane] | Fault:
    """Return the planes of a file (none if it is not an image), or the reason why it cannot be read."""
    head = reader.head(ref)
    if isinstance(head, Fault):
        return head
    if not any(head[:128]) and not any(head[132:]):
        return Fault.DAMAGED  # empty or zero-filled, as after a failed copy
    if not (begins_as_dicom(head) or is_named_as_dicom(ref)):
        return []
    try:
        with reader.header(ref) as file, _unquoted():
            header = _read(file, (*_TAGS, *_IDENTITY))
            if _is_cut_off(header, file):
                return Fault.DAMAGED
            return list(_planes(ref, header)) if "Rows" in header else []
    except MemoryError:
        raise
    except Exception:  # pydicom raises many exception types for damaged files
        return Fault.DAMAGED if begins_as_dicom(head) else []


def _is_cut_off(header: Dataset, file: Sparing) -> bool:
    """Return whether the file of an MR image ends before or within its (uncompressed) pixels."""
    if "Rows" not in header:
        return str(header.file_meta.get("MediaStorageSOPClassUID", "")).startswith(_MR_IMAGES)
    if str(header.file_meta.get("TransferSyntaxUID", "")) not in _UNCOMPRESSED:
        return False
    counts = [int(header.get(name) or 1) for name in ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames")]
    n_bytes = math.prod(counts) * int(header.get("BitsAllocated") or 0) // 8
    return file.size - file.tell() < n_bytes


def read_study(reader: Reader, ref: FileRef) -> tuple[str, str]:
    """Return the study identifier and a digest of the person's, for comparison only; empty if unknown."""
    try:
        with reader.header(ref) as file:
            header = _read(file, ("StudyInstanceUID", *_IDENTITY))
        return _raw_text(header, "StudyInstanceUID"), _person(header)
    except MemoryError:
        raise
    except Exception:  # damaged, as in `read_planes`
        return "", ""


def _person(header: Dataset) -> str:
    """Return a digest of the person's id or name in the header, or an empty text."""
    told = next(filter(None, (_raw_text(header, name) for name in _IDENTITY)), "")
    return hashlib.sha256(f"cmr-ssp person {told}".encode()).hexdigest() if told else ""


@contextmanager
def _unquoted() -> Iterator[None]:
    """Keep pydicom from quoting values in warnings; serialised, because its setting is global."""
    from pydicom.config import disable_value_validation

    with _ONE_AT_A_TIME, disable_value_validation():
        yield


def _raw_text(header: Dataset, name: str) -> str:
    """Return the value of an element without validation, since pydicom's warnings would quote it."""
    if name not in header:
        return ""
    value: Any = header.get_item(name).value
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    return text.strip("\0 ")


def _read(file: Sparing, tags: Sequence[str]) -> Dataset:
    from pydicom import dcmread

    return dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(tags))


def _planes(ref: FileRef, header: Dataset) -> Iterator[Plane]:
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if not frames or not any(len(frame) for frame in frames):  # OsiriX writes an empty one
        if "ImagePositionPatient" in header and int(header.get("NumberOfFrames") or 1) == 1:
            yield _plane(ref, None, header, [header])
        return
    shared = header.get("SharedFunctionalGroupsSequence") or [()]
    for index, frame in enumerate(frames[:_MAX_FRAMES]):
        groups = [*_groups(frame), *_groups(shared[0]), header]
        if any("ImagePositionPatient" in group for group in groups):
            yield _plane(ref, index, header, groups)


def _groups(parent: Any) -> list[Dataset]:
    """Return the first item of every functional group of a frame."""
    return [element.value[0] for element in parent if element.VR == "SQ" and element.value]


def _first(groups: Sequence[Dataset], *names: str) -> Any:
    """Return the first value present, of the frame before that of the file."""
    for name in names:
        for group in groups:
            value = group.get(name)
            if value is not None and value != "":
                return value
    return None


def _number(groups: Sequence[Dataset], *names: str) -> float | None:
    try:
        number = float(_first(groups, *names))
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _count(groups: Sequence[Dataset], *names: str) -> int | None:
    number = _number(groups, *names)
    return None if number is None else int(number)


def _plane(ref: FileRef, index: int | None, header: Dataset, groups: Sequence[Dataset]) -> Plane:
    spacing = [float(value) for value in _first(groups, "PixelSpacing")]
    orientation = [float(value) for value in _first(groups, "ImageOrientationPatient")]
    position = [float(value) for value in _first(groups, "ImagePositionPatient")]
    rows, columns = int(header.Rows), int(header.Columns)
    sizes_fit = 0 < rows <= _LONGEST_SIDE and 0 < columns <= _LONGEST_SIDE
    if not (sizes_fit and len(spacing) == 2 and all(0 < mm < _FARTHEST_MM for mm in spacing)):
        raise ValueError("the size of the image is invalid")
    rr_ms = _number(groups, "RRIntervalTimeNominal", "NominalInterval") or None
    slope = _number(groups, "RescaleSlope")
    return Plane(
        ref=ref,
        index=index,
        study=_raw_text(header, "StudyInstanceUID"),
        series=str(header.get("SeriesInstanceUID", "")),
        instance_uid=str(header.get("SOPInstanceUID", "")),
        person=_person(header),
        series_number=_count([header], "SeriesNumber") or 0,
        acquisition_number=_count(groups, "FrameAcquisitionNumber", "AcquisitionNumber") or 0,
        instance_number=(index if index is not None else _count([header], "InstanceNumber")) or 0,
        shape=(rows, columns),
        spacing_mm=(spacing[0], spacing[1]),
        position_mm=_vector(position),
        along_row=_unit(orientation[:3]),
        along_column=_unit(orientation[3:]),
        thickness_mm=_number(groups, "SliceThickness") or 0.0,
        trigger_ms=_trigger_ms(groups, rr_ms),
        temporal=_count(groups, "TemporalPositionIndex", "TemporalPositionIdentifier"),
        rr_ms=rr_ms,
        n_cardiac=_count(groups, "CardiacNumberOfImages"),
        slope=1.0 if slope is None else slope,
        intercept=_number(groups, "RescaleIntercept") or 0.0,
        oddity=_oddity(header, groups),
        transfer_syntax=str(header.file_meta.get("TransferSyntaxUID", "")),
        acquisition=_acquisition(groups, rr_ms),
    )


def _vector(values: Sequence[float]) -> Vector:
    x, y, z = values
    if not all(abs(value) < _FARTHEST_MM for value in values):  # also refuses nan
        raise ValueError("a position is invalid")
    return x, y, z


def _unit(values: Sequence[float]) -> Vector:
    length = float(np.linalg.norm(values))
    if not 0.9 < length < 1.1:
        raise ValueError("a direction is not a unit vector")
    return _vector([value / length for value in values])


def _trigger_ms(groups: Sequence[Dataset], rr_ms: float | None) -> float | None:
    """Return the time after the R wave, as stated or computed from the temporal position."""
    stated = _number(groups, "TriggerTime", "NominalCardiacTriggerDelayTime", "ActualCardiacTriggerDelayTime")
    if stated is not None:
        return stated
    percent = _number(groups, "NominalPercentageOfCardiacPhase")
    if percent is not None and rr_ms:
        return percent / 100 * rr_ms
    place = _number(groups, "TemporalPositionIndex", "TemporalPositionIdentifier")
    n_places = _number(groups, "NumberOfTemporalPositions", "CardiacNumberOfImages")
    if place is not None and n_places and rr_ms:
        return (place - 1) / n_places * rr_ms
    return _number(groups, "FrameReferenceTime")


def _oddity(header: Dataset, groups: Sequence[Dataset]) -> str | None:
    kinds = _first(groups, "FrameType", "ImageType") or ()
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if str(header.get("Modality", "MR")) != "MR":
        return "it is not an MR image"
    if int(header.get("SamplesPerPixel") or 1) != 1 or _photometric(header) != "MONOCHROME2":
        return "its images are in colour or inverted"
    if {str(kind).upper() for kind in kinds[2:]} & _VELOCITY_IMAGES:
        return "it consists of velocity or phase-contrast images"
    return None


def _photometric(header: Dataset) -> str:
    return str(header.get("PhotometricInterpretation") or "MONOCHROME2")


def _acquisition(groups: Sequence[Dataset], rr_ms: float | None) -> Acquisition:
    maker = str(_first(groups, "Manufacturer") or "").lower() + " "
    vendor = next((name for text, name in _VENDORS.items() if maker.startswith(text)), None)
    model = str(_first(groups, "ManufacturerModelName") or "").strip()[:64] or None
    rate = _number(groups, "HeartRate") or (60_000 / rr_ms if rr_ms else None)
    return Acquisition(vendor, model, _number(groups, "MagneticFieldStrength"), rate)
