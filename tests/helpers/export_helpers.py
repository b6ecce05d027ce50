"""What tests of exports write and read."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.subjects import CineStack, Grid
from files_helpers import OBLIQUE, SHAPE


def parse_nrrd(path: Path) -> tuple[dict[str, str], np.ndarray]:
    """Read a NRRD file by its published description, knowing nothing of the module that wrote it."""
    head, _, data = path.read_bytes().partition(b"\n\n")
    magic, *lines = head.decode("ascii").split("\n")
    assert re.fullmatch("NRRD000[1-5]", magic)
    pairs = [re.split(":=|: ", line, maxsplit=1) for line in lines if not line.startswith("#")]
    fields = dict(pairs)
    assert fields["type"] == "unsigned char"
    assert fields["encoding"] == "gzip"
    sizes = [int(size) for size in fields["sizes"].split()]
    assert len(sizes) == int(fields["dimension"]) == 3
    return fields, np.frombuffer(gzip.decompress(data), np.uint8).reshape(sizes, order="F")


def dicom_stack(
    folder: Path, frames: int, *, mirrored: bool = False, birth: str = "19700101", one_series: bool = True
) -> tuple[CineStack, list[list[Path]]]:
    """Write a short-axis series, frame by frame; return the cine on the grid that it defines."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    columns, rows, slices = SHAPE
    lps = np.diag([-1.0, -1, 1, 1]) @ OBLIQUE
    turned = lps @ np.array([[-1, 0, 0, columns - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    use = turned if mirrored else lps
    normal = np.cross(use[:3, 0], use[:3, 1])
    assert normal.any()
    folder.mkdir(parents=True)
    study, reference, series = generate_uid(), generate_uid(), [generate_uid() for _ in range(slices)]
    made: list[list[Path]] = []
    for t in range(frames):
        made.append([])
        for k in range(slices):
            meta = pydicom.dataset.FileMetaDataset()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
            image = pydicom.Dataset()
            image.file_meta = meta
            image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
            image.StudyInstanceUID, image.SeriesInstanceUID = study, series[0 if one_series else k]
            image.FrameOfReferenceUID, image.Modality = reference, "MR"
            image.PatientName, image.PatientID, image.PatientBirthDate = "Doe^Jane", "4711", birth
            image.PatientSex, image.AccessionNumber, image.StudyID = "F", "", "1"
            image.StudyDate = image.SeriesDate = "20200101"
            image.StudyTime = image.SeriesTime = "120000"
            image.ReferringPhysicianName, image.Manufacturer, image.PositionReferenceIndicator = "", "x", ""
            image.SeriesNumber, image.InstanceNumber = 5, t * slices + k + 1
            image.TriggerTime = str(40.0 * t)
            image.Rows, image.Columns, image.SamplesPerPixel = rows, columns, 1
            image.PhotometricInterpretation, image.PixelRepresentation = "MONOCHROME2", 0
            image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
            sizes = np.linalg.norm(use[:3, :3], axis=0)
            image.PixelSpacing = [f"{sizes[1]:.10g}", f"{sizes[0]:.10g}"]
            image.SliceThickness = "6"
            cosines = [*(use[:3, 0] / sizes[0]), *(use[:3, 1] / sizes[1])]
            image.ImageOrientationPatient = [f"{value:.10g}" for value in cosines]
            image.ImagePositionPatient = [f"{value:.10g}" for value in (use @ [0, 0, k, 1])[:3]]
            image.PixelData = np.full((rows, columns), 10 * t + k, "<u2").tobytes()
            path = folder / f"IM{frames * (slices - k) + t:04d}"
            image.save_as(path, enforce_file_format=True)
            made[-1].append(path)
    spacing = tuple(np.linalg.norm(OBLIQUE[:3, :3], axis=0)[::-1])
    grid = Grid((slices, rows, columns), spacing, OBLIQUE)
    return CineStack(grid, frames, lambda: np.zeros((frames, slices, rows, columns), np.float32)), made
