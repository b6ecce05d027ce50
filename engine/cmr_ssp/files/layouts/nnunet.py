"""nnU-Net raw folders: ``imagesTr/CASE_0000.nii.gz``, ``labelsTr/CASE.nii.gz``, ``dataset.json``.

nnU-Net has only 3D cases. Cases named ``SUBJECT_ED`` and ``SUBJECT_ES``, or ``SUBJECT_frameNN``, are frames
of one subject. ``dataset.json`` names the labels: ``{"1": "LV"}`` in version 1, ``{"LV": 1}`` in version 2.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmr_ssp.anatomy import OTHER_STRUCTURES, Numbering, Phase, Structure
from cmr_ssp.errors import CmrSspError, CohortError, Problem
from cmr_ssp.files.formats.folders import entries, is_folder, read_text
from cmr_ssp.files.formats.nifti import is_nifti, stem_of
from cmr_ssp.files.labels.phases import in_phase_order, phases_by_size, structure_voxels
from cmr_ssp.files.layouts.numbering import SETTINGS, numbering_in_yaml
from cmr_ssp.subjects import LabelSource, Subject, VolumeSource

NAME = "nnU-Net raw"
EXPECTS = "imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz and dataset.json"

_DESCRIPTION = "dataset.json"
_FOLDERS = {"imagesTr": "labelsTr", "imagesTs": "labelsTs"}
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
_FRAME = re.compile(r"(?P<id>.+)_(?:(?P<phase>E[DS])|frame(?P<frame>\d+))", re.IGNORECASE)
_IGNORED = {"background", "ignore"}
_SYNONYMS = {
    Structure.LV: "lv|lvc|lvbp|lv cavity|lv blood pool|lv bloodpool|lv endo|left ventricle|"
    "left ventricle cavity|left ventricular cavity|left ventricle blood pool|left ventricular blood pool",
    Structure.MYO: "myo|myocardium|mlv|lvm|lvmyo|lv myo|lv myocardium|lv wall|left ventricle myocardium|"
    "left ventricular myocardium|myocardium of the left ventricle",
    Structure.RV: "rv|rvc|rvbp|rv cavity|rv blood pool|rv bloodpool|rv endo|right ventricle|"
    "right ventricle cavity|right ventricular cavity|right ventricle blood pool|right ventricular blood pool",
}
_STRUCTURES = {name: structure for structure, names in _SYNONYMS.items() for name in names.split("|")}

Case = tuple[str, Path, Path | None]
"""Suffix after the subject id (``ED``, ``ES``, a frame number or nothing), image, label."""


def recognises(folder: Path) -> bool:
    """Return whether `folder` contains image folders with the names of nnU-Net."""
    return any(is_folder(folder / name) for name in _FOLDERS)


def list_subjects(folder: Path) -> tuple[list[Subject], list[Problem]]:
    """List the subjects in `folder`; labels of cases numbered by frame are read to find ED and ES.

    Raises
    ------
    CohortError
        If there are labels, but neither ``dataset.json`` nor ``cohort.yaml`` defines their numbers.
    """
    cases, problems = _cases(folder)
    labelled = any(label for group in cases.values() for _, _, label in group)
    numbering = numbering_in_yaml(folder) or (_numbering(folder / _DESCRIPTION) if labelled else {})
    subjects: list[Subject] = []
    n_unnamed = 0
    for (_, name), group in sorted(cases.items()):
        try:
            subjects.append(_subject(name, group, numbering))
        except CmrSspError as error:
            problems += error.problems
            continue
        n_unnamed += any(label and not part for part, _, label in group)
    if n_unnamed:
        what = f"the names of {n_unnamed} labelled cases have no phase; they are used as ED"
        remedy = "Rename them to SUBJECT_ED and SUBJECT_ES if there are both."
        problems.append(Problem.warning(folder, what, remedy))
    return subjects, problems


def _cases(folder: Path) -> tuple[dict[tuple[str, str], list[Case]], list[Problem]]:
    """Group the cases by image folder and subject, and report labels without an image."""
    cases: dict[tuple[str, str], list[Case]] = defaultdict(list)
    problems: list[Problem] = []
    for images, labels in _FOLDERS.items():
        drawn = {stem_of(path): path for path in _niftis(folder / labels)}
        channels = {path: _CHANNEL.fullmatch(stem_of(path)) for path in _niftis(folder / images)}
        found = {
            match["case"]: path for path, match in channels.items() if match and match["channel"] == "0000"
        }
        for case, path in sorted(found.items()):
            match = _FRAME.fullmatch(case)
            part = (match["phase"] or match["frame"]).upper() if match else ""
            cases[images, match["id"] if match else case].append((part, path, drawn.get(case)))
        for case in sorted(set(drawn) - set(found)):
            what = f"it labels the case {case}, which has no image in {images}"
            remedy = f"Add {case}_0000.nii.gz or remove the label."
            problems.append(Problem(str(drawn[case]), what, remedy))
        n_others = len(channels) - len(found)
        if n_others:
            what = f"{n_others} of its files are not the first channel (_0000) and are not read"
            problems.append(Problem.warning(folder / images, what, "Check that it is right."))
    return cases, problems


def _niftis(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if is_nifti(path)]


def _subject(name: str, cases: list[Case], numbering: Numbering) -> Subject:
    """Combine the cases of one subject, in temporal order as far as their names define it."""
    cases = sorted(
        cases, key=lambda case: (not case[0].isdecimal(), int(case[0]) if case[0].isdecimal() else 0, case)
    )
    numbered = {
        t: label for t, (part, _, label) in enumerate(cases) if part.isdecimal() and label is not None
    }
    sizes = {t: structure_voxels(label, numbering) for t, label in numbered.items()}
    phase_of = {t: phase for phase, t in phases_by_size(sizes).items()}
    for t, (part, _, label) in enumerate(cases):
        if label is not None and not part.isdecimal():
            phase_of[t] = Phase(part or "ED")
    labels = [
        LabelSource(phase, t, VolumeSource(label), numbering)
        for t, phase in phase_of.items()
        if (label := cases[t][2]) is not None
    ]
    frames = tuple(VolumeSource(image) for _, image, _ in cases)
    return Subject(name, frames, tuple(in_phase_order(labels)))


def _numbering(path: Path) -> Numbering:
    """Read the numbering from ``dataset.json``."""
    remedy = f"Define it in a {SETTINGS} in this folder: 'structures: {{LV: 3, MYO: 2, RV: 1}}'."
    try:
        stated = json.loads(read_text(path))["labels"]
        numbers = dict(_name_and_number(*pair) for pair in stated.items())
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = "it does not define the structures of the label numbers"
        raise CohortError.of(path, what, remedy) from error
    return _structures(path, numbers, remedy)


def _name_and_number(key: Any, value: Any) -> tuple[str, int]:
    """Return name and number of an entry of either version."""
    if isinstance(key, str) and key.isdecimal():
        return str(value), int(key)
    return str(key), int(value)


def _structures(path: Path, numbers: Mapping[str, int], remedy: str) -> Numbering:
    simple = {name: " ".join(re.findall(r"[a-z]+", name.lower())) for name in numbers}
    wanted = {name: number for name, number in numbers.items() if number and simple[name] not in _IGNORED}
    unknown = sorted(name for name in wanted if simple[name] not in _STRUCTURES)
    if unknown:
        listed = ", ".join(f"'{name}'" for name in unknown)
        what = f"its labels contain {listed}, which is not one of {', '.join(Structure.__members__)}"
        raise CohortError.of(path, what, f"If it is a synonym of one: {remedy} {OTHER_STRUCTURES}")
    numbering = {number: _STRUCTURES[simple[name]] for name, number in wanted.items()}
    if len(numbering) < len(wanted) or not numbering or min(numbering) < 1 or max(numbering) > 255:
        what = "its label numbers are not between 1 and 255, each with a name of its own"
        raise CohortError.of(path, what, remedy)
    return numbering
