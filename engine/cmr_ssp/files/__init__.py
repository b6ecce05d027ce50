"""Read and write files: image formats, layouts of cohorts, labels and label versions."""

from cmr_ssp.files.checks import check_pixels
from cmr_ssp.files.cine_writing import write_cine
from cmr_ssp.files.cohorts import open_cohort
from cmr_ssp.files.dicom import exam_id
from cmr_ssp.files.labels.imported import import_phases, import_volumes
from cmr_ssp.files.labels.importing import import_labels
from cmr_ssp.files.labels.reading import read_segmentation
from cmr_ssp.files.labels.resolving import resolve_subject
from cmr_ssp.files.labels.writing import write_segmentation
from cmr_ssp.files.stacks import open_cine, open_stack
from cmr_ssp.files.versions.versions import add_version, list_versions, with_label_versions

__all__ = [
    "add_version",
    "check_pixels",
    "exam_id",
    "import_labels",
    "import_phases",
    "import_volumes",
    "list_versions",
    "open_cine",
    "open_cohort",
    "open_stack",
    "read_segmentation",
    "resolve_subject",
    "with_label_versions",
    "write_cine",
    "write_segmentation",
]
