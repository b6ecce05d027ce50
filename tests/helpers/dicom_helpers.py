"""Small synthetic DICOM exams: a short axis from base to apex, as scanners of several makers export it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

ROWS, COLUMNS, SLICES, FRAMES = 6, 5, 4, 6
ROW_MM, COLUMN_MM, SLICE_MM, FRAME_MS = 1.5, 1.25, 8.0, 40.0

IDENTITY = {
    "PatientName": "Doe^Jane",
    "PatientID": "MRN4711",
    "PatientBirthDate": "19610203",
    "StudyDate": "20200304",
    "StudyTime": "111213",
    "InstitutionName": "St Elsewhere",
    "SeriesDescription": "cine of Jane Doe",
    "DeviceSerialNumber": "SN99887",
}
SECRETS = ("doe", "jane", "mrn4711", "19610203", "20200304", "elsewhere", "sn99887", "1.2.826")

# LPS: along a row, along a column, and from base to apex (left, forwards, down).
ALONG_ROW = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
ALONG_COLUMN = np.array([1.0, -1.0, 2.0]) / np.sqrt(6)
TO_APEX = np.array([1.0, -1.0, -1.0]) / np.sqrt(3)
BASE = np.array([-20.0, 30.0, 50.0])
"""First pixel of the most basal slice."""

Place = Callable[[int], np.ndarray]


def at(slice_index: float) -> np.ndarray:
    return BASE + TO_APEX * SLICE_MM * slice_index


def values(slice_index: int, frame: int) -> np.ndarray:
    """Return stored pixels that belong to one slice and frame alone."""
    random = np.random.default_rng(1000 * slice_index + frame)
    return random.integers(0, 900, (ROWS, COLUMNS)).astype(np.int16)


def stored(slices: Iterable[int] = range(SLICES), frames: int = FRAMES) -> np.ndarray:
    """Return what a stack of these slices holds, shape (frame, slice, row, column)."""
    return np.array([[values(k, t) for k in slices] for t in range(frames)], np.float32)


def study(seed: str = "study") -> str:
    return generate_uid(entropy_srcs=[seed])


def image(
    slice_index: int = 0,
    frame: int = 0,
    *,
    series: int = 1,
    study_seed: str = "study",
    orientation: tuple[np.ndarray, np.ndarray] = (ALONG_ROW, ALONG_COLUMN),
    position: np.ndarray | None = None,
    pixels: np.ndarray | None = None,
    **fields: Any,
) -> FileDataset:
    """Return one classic MR image; `fields` override or, where None, remove what it says."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    pixels = values(slice_index, frame) if pixels is None else pixels
    about = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": study(study_seed),
        "SeriesInstanceUID": generate_uid(entropy_srcs=[study_seed, str(series)]),
        "Modality": "MR",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Aera",
        "MagneticFieldStrength": 1.5,
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "SeriesNumber": series,
        "AcquisitionNumber": 1,
        "InstanceNumber": frame + 1,
        "TriggerTime": FRAME_MS * frame,
        "NominalInterval": int(FRAME_MS * FRAMES),
        "ImagePositionPatient": list(map(float, at(slice_index) if position is None else position)),
        "ImageOrientationPatient": [float(v) for v in np.concatenate(orientation)],
        "PixelSpacing": [ROW_MM, COLUMN_MM],
        "SliceThickness": 6.0,
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "PixelData": pixels.astype(np.int16).tobytes(),
    }
    for name, value in (about | IDENTITY | fields).items():
        if value is not None:
            setattr(data, name, value)
    return data


def siemens(
    slices: Iterable[int] = range(SLICES), frames: int = FRAMES, **fields: Any
) -> Iterator[FileDataset]:
    """A series a slice."""
    for k in slices:
        yield from (image(k, t, **({"series": 10 + k} | fields)) for t in range(frames))


def one_series(slices: int = SLICES, frames: int = FRAMES, **fields: Any) -> Iterator[FileDataset]:
    """One series, images numbered through, the apex first."""
    for k in range(slices):
        for t in range(frames):
            yield image(k, t, InstanceNumber=1 + (slices - 1 - k) * frames + t, **fields)


def enhanced(slices: int = SLICES, frames: int = FRAMES, **fields: Any) -> FileDataset:
    """One multi-frame file, its frames in an order of their own."""
    pixels = np.array([values(k, t) for t in range(frames) for k in reversed(range(slices))])
    lost = (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "TriggerTime",
        "SliceThickness",
    )
    data = image(pixels=pixels, **dict.fromkeys(lost), **fields)
    data.NumberOfFrames = len(pixels)
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [float(v) for v in (*ALONG_ROW, *ALONG_COLUMN)]
    measures.PixelSpacing, measures.SliceThickness = [ROW_MM, COLUMN_MM], 6.0
    shared = Dataset()
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = (
        Sequence([orientation]),
        Sequence([measures]),
    )
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = [_frame(k, t) for t in range(frames) for k in reversed(range(slices))]
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return data


def _frame(k: int, t: int) -> Dataset:
    frame, place, beat, scale = Dataset(), Dataset(), Dataset(), Dataset()
    place.ImagePositionPatient = list(map(float, at(k)))
    beat.NominalCardiacTriggerDelayTime = FRAME_MS * t
    scale.RescaleSlope, scale.RescaleIntercept = 2.0, -5.0
    frame.PlanePositionSequence = Sequence([place])
    frame.CardiacSynchronizationSequence = Sequence([beat])
    frame.PixelValueTransformationSequence = Sequence([scale])
    return frame


def turned(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the short axis' directions, turned about a row of pixels."""
    angle = np.radians(degrees)
    return ALONG_ROW, np.cos(angle) * ALONG_COLUMN + np.sin(angle) * TO_APEX


def long_axis(series: int = 80) -> Iterator[FileDataset]:
    """A two-chamber view: one slice that holds the heart's axis."""
    return (image(0, t, series=series, orientation=(TO_APEX, ALONG_COLUMN)) for t in range(FRAMES))


def localiser(series: int = 90) -> Iterator[FileDataset]:
    """Three single axial images."""
    axial = (np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
    return (
        image(k, series=series, orientation=axial, position=np.array([0, 0, 10.0 * k]), TriggerTime=None)
        for k in range(3)
    )


def secrets_in(text: str) -> set[str]:
    return {secret for secret in SECRETS if secret in text.lower()}


def save_exam(folder: Path, *parts: Iterable[FileDataset]) -> Path:
    """Write images with names that say nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        for data in part:
            data.save_as(folder / f"IM{len(list(folder.iterdir())):04d}", enforce_file_format=True)
    return folder
