"""Export results to the formats of other programs, on the grid of their images."""

from cmr_ssp.exports.captures import write_captures
from cmr_ssp.exports.dicom_parts import has_highdicom
from cmr_ssp.exports.dicom_seg import MadeBy, write_dicom_seg
from cmr_ssp.exports.dicom_seg_cine import SourceImages, write_dicom_seg_cine
from cmr_ssp.exports.frames import write_frames, write_itksnap_labels
from cmr_ssp.exports.instances import frame_instances
from cmr_ssp.exports.moments import Moment, find_moments
from cmr_ssp.exports.nnunet import NnunetExport, export_nnunet
from cmr_ssp.exports.nnunet_cases import CaseNames
from cmr_ssp.exports.slicer import write_slicer

__all__ = [
    "CaseNames",
    "MadeBy",
    "Moment",
    "NnunetExport",
    "SourceImages",
    "export_nnunet",
    "find_moments",
    "frame_instances",
    "has_highdicom",
    "write_captures",
    "write_dicom_seg",
    "write_dicom_seg_cine",
    "write_frames",
    "write_itksnap_labels",
    "write_slicer",
]
