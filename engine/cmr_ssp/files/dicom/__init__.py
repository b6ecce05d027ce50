"""Read short-axis cines from DICOM folders, zip archives and multi-frame files, sorted by geometry.

Importing this package does not import pydicom; reading a header does.
"""

from cmr_ssp.files.dicom.listing import list_dicom, open_dicom
from cmr_ssp.files.dicom.pseudonyms import exam_id
from cmr_ssp.files.dicom.series import DicomFolder, DicomSeries, SliceTimes
from cmr_ssp.files.dicom.sources import may_be_exam, signature
from cmr_ssp.subjects.sorting import SortOptions

__all__ = [
    "DicomFolder",
    "DicomSeries",
    "SliceTimes",
    "SortOptions",
    "exam_id",
    "list_dicom",
    "may_be_exam",
    "open_dicom",
    "signature",
]
