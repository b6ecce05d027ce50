"""The ACDC layout: ``patientNNN/`` with ED and ES volumes, ``Info.cfg``, and often the 4D cine.

Bernard et al., IEEE TMI 2018: 1 = RV, 2 = MYO, 3 = LV; frames are counted from 1; all scanners Siemens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS, Phase
from cmr_ssp.errors import CmrSspError, Problem
from cmr_ssp.files.formats.folders import entries, is_folder, matching, read_text
from cmr_ssp.files.formats.nifti import read_header
from cmr_ssp.subjects import ImageSource, LabelSource, Subject, VolumeSource, file_frames

NAME = "ACDC"
EXPECTS = "patientNNN/ folders with patientNNN_frameFF.nii.gz, patientNNN_4d.nii.gz and Info.cfg"

_FOLDER = re.compile(r"patient\d+")
_FRAME = re.compile(r"_frame(\d+)\.nii(\.gz)?$")
_LABEL = re.compile(r"_frame(\d+)_gt\.nii(\.gz)?$")
_CINE = re.compile(r"_4d\.nii(\.gz)?$")

Found = tuple[list[Subject], list[Problem]]


def recognises(folder: Path) -> bool:
    """Return whether `folder` contains folders of ACDC subjects."""
    return any(_is_subject(entry) for entry in entries(folder) if _FOLDER.fullmatch(entry.name))


def _is_subject(folder: Path) -> bool:
    return bool(matching(folder, f"{folder.name}_*.nii*"))


def list_subjects(folder: Path) -> Found:
    """List the subjects in `folder` by names and headers."""
    subjects: list[Subject] = []
    problems: list[Problem] = []
    for entry in entries(folder):
        if not (_FOLDER.fullmatch(entry.name) and is_folder(entry)):
            continue
        try:
            subject, found = _subject(entry)
        except CmrSspError as error:
            problems += error.problems
            continue
        problems += found
        subjects += [subject] if subject else []
    return subjects, problems


def _subject(folder: Path) -> tuple[Subject | None, list[Problem]]:
    info, problems = _read_info(folder)
    volumes, labels, cine = _files(folder)
    if cine:
        frames: tuple[ImageSource, ...] = file_frames(cine, read_header(cine).shape[0])
        positions = {t + 1: t for t in range(len(frames))}
    else:
        frames = tuple(VolumeSource(volumes[number]) for number in sorted(volumes))
        positions = {number: t for t, number in enumerate(sorted(volumes))}
    if not frames:
        problems.append(
            Problem(str(folder), "it has no image", "Add the subject's images or remove the folder.")
        )
        return None, problems
    sources, found = _labels(info, labels, positions)
    subject = Subject(folder.name, frames, sources, vendor="Siemens", group=info.get("Group"))
    return subject, problems + found


def _files(folder: Path) -> tuple[dict[int, Path], dict[int, Path], Path | None]:
    """Sort a subject's files into volumes and labels by frame number (from 1), and the 4D cine."""
    volumes: dict[int, Path] = {}
    labels: dict[int, Path] = {}
    cine = None
    for path in entries(folder):
        if match := _LABEL.search(path.name):
            labels[int(match[1])] = path
        elif match := _FRAME.search(path.name):
            volumes[int(match[1])] = path
        elif _CINE.search(path.name):
            cine = path
    return volumes, labels, cine


def _labels(
    info: Mapping[str, str], labels: Mapping[int, Path], positions: Mapping[int, int]
) -> tuple[tuple[LabelSource, ...], list[Problem]]:
    """Pair label files with the phases that Info.cfg gives and the frames that exist."""
    sources: list[LabelSource] = []
    problems: list[Problem] = []
    phase_of = {int(info[phase]): phase for phase in Phase if info.get(phase, "").isdecimal()}
    for number, path in sorted(labels.items()):
        if number not in positions:
            what = f"it labels frame {number}, which has no image"
            problems.append(Problem(str(path), what, "Add the image of that frame or remove the label."))
        elif number not in phase_of:
            what = f"Info.cfg does not say which phase frame {number} is; the label is not used"
            remedy = "Write ED and ES (counted from 1) into Info.cfg."
            problems.append(Problem.warning(path, what, remedy))
        else:
            source = LabelSource(phase_of[number], positions[number], VolumeSource(path), NUMBERINGS["acdc"])
            sources.append(source)
    return tuple(sorted(sources, key=lambda source: list(Phase).index(source.phase))), problems


def _read_info(folder: Path) -> tuple[dict[str, str], list[Problem]]:
    path = folder / "Info.cfg"
    try:
        lines = read_text(path).splitlines()
    except OSError:
        what = "it is missing or unreadable: group and phases of this subject are unknown"
        return {}, [Problem.warning(path, what, "Copy Info.cfg from the data set.")]
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}, []
