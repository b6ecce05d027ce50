"""An exam that was read from disk, for display."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CmrSspError
from cmr_ssp.files import exam_id, open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.files.dicom import may_be_exam
from cmr_ssp.files.formats.nifti import stem_of
from cmr_ssp.files.labels.marks import cine_digest
from cmr_ssp.files.stacks import list_frames
from cmr_ssp.subjects import CineStack, ExamSource, ResolvedSubject, Segmentation, Subject
from numpy.typing import NDArray

from napari_cmr_ssp.scene.layers import EXAM, source_metadata


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """A cine with its labels.

    Attributes
    ----------
    subject : ResolvedSubject
        Subject of the exam.
    stack : CineStack
        Stack with grid and sources.
    pixels : ndarray of float32, shape (frame, slice, row, column)
        The cine.
    references : Mapping of Phase to Segmentation
        Labels of the labelled phases.
    fingerprint : str
        `cine_digest` of the pixels, which identifies the exam of a segmentation file.
    """

    subject: ResolvedSubject
    stack: CineStack
    pixels: NDArray[np.float32]
    references: Mapping[Phase, Segmentation]
    fingerprint: str

    def belongs_to(self, subject: Subject) -> bool:
        """Return whether the images are those of a subject; ids such as 001 occur in several cohorts."""
        same_files = self.subject.frames == subject.frames
        return same_files and self.subject.sorting == subject.sorting

    @property
    def reference_labels(self) -> NDArray[np.uint8]:
        """The references at their frames, shape (frame, slice, row, column); 0 in frames without labels."""
        labels = np.zeros(self.pixels.shape, np.uint8)
        for reference in self.references.values():
            labels[reference.frame] = reference.labels
        return labels

    @property
    def key(self) -> str:
        """Unique key of the exam; neither the id nor the pixels alone are unique."""
        return f"{self.subject.id} {self.fingerprint}"

    @property
    def metadata(self) -> dict[str, object]:
        """Metadata of layers of this exam: the exam, and what is needed to write them to a file."""
        source = source_metadata(self.stack.grid, self.stack.sources)
        about = {"subject": self.subject.id, EXAM: self.key, "cine": self.fingerprint}
        return source | about | {"frame_spacing_s": self.stack.frame_spacing_s}

    @property
    def phase_frames(self) -> Mapping[int, Phase]:
        """The phase of each labelled frame."""
        return {reference.frame: phase for phase, reference in self.references.items()}


def subject_at(place: Path) -> Subject:
    """Return the subject of a file, folder or archive: that of its cohort, if it is in one.

    Raises
    ------
    CmrSspError
        If it is not a usable image.
    """
    place = Path(os.path.abspath(place))  # noqa: PTH100 - keeps links, as `open_cohort` does
    with suppress(CmrSspError):
        cohort = open_cohort(place if may_be_exam(place) else place.parent)
        for subject in cohort.subjects:
            if any(frame.path == place for frame in subject.frames):
                return subject
    frames = list_frames(place)
    name = exam_id(place) if isinstance(frames[0], ExamSource) else stem_of(place)
    return Subject(name, frames)


def read_exam(listed: Subject) -> Exam:
    """Read images and labels of a subject.

    Raises
    ------
    CmrSspError
        If files cannot be used; the error names them.
    """
    subject = resolve_subject(listed)
    stack = open_stack(subject)
    references = {phase: read_segmentation(subject, phase) for phase in subject.phases}
    pixels = stack.load()
    return Exam(subject, stack, pixels, references, cine_digest(pixels))
