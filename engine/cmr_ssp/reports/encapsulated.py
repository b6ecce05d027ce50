"""A report as DICOM: an encapsulated PDF of a new, anonymous study."""

from __future__ import annotations

import io
from pathlib import Path

from cmr_ssp import __version__
from cmr_ssp.atomic import write_bytes

MANUFACTURER = "the napari-cmr-ssp developers"


def write_encapsulated(path: Path, pdf: bytes, title: str) -> None:
    """Write a PDF as DICOM Encapsulated PDF Storage (PS3.3 A.45.1).

    It names no patient and belongs to a new study: file it to an exam in the archive, if it should be there.

    Parameters
    ----------
    path : Path
        DICOM file to write, atomically.
    pdf : bytes
        The document.
    title : str
        Its title, at most 64 characters.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian, generate_uid

    document = Dataset()
    document.SOPClassUID, document.SOPInstanceUID = EncapsulatedPDFStorage, generate_uid()
    document.StudyInstanceUID, document.SeriesInstanceUID = generate_uid(), generate_uid()
    for empty in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"):
        setattr(document, empty, "")
    for empty in ("AccessionNumber", "ReferringPhysicianName", "StudyID", "ContentDate", "ContentTime"):
        setattr(document, empty, "")
    document.AcquisitionDateTime = ""
    document.PatientIdentityRemoved = "YES"
    document.DeidentificationMethod = "created from pixels and labels only"
    document.Modality, document.ConversionType = "DOC", "WSD"
    document.Manufacturer, document.ManufacturerModelName = MANUFACTURER, "napari-cmr-ssp"
    document.SoftwareVersions = __version__
    document.SeriesNumber = document.InstanceNumber = 1
    document.BurnedInAnnotation = "NO"
    document.DocumentTitle = title[:64]
    document.ConceptNameCodeSequence = Sequence()
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(pdf)
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    document.SpecificCharacterSet = "ISO_IR 192"
    document.file_meta = FileMetaDataset()
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content = io.BytesIO()
    document.save_as(content, enforce_file_format=True)
    write_bytes(path, content.getvalue())
