"""Public patients' data; nothing of it is stored, only counted."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import CohortError, Severity
from cmr_ssp.files import (
    check_pixels,
    open_cine,
    open_cohort,
    open_stack,
    read_segmentation,
    resolve_subject,
    write_cine,
    write_segmentation,
)
from cmr_ssp.subjects import SliceOrder, Subject
from files_helpers import fingerprint

LV, MYO, RV = Structure


def ejection_fraction(subject: Subject) -> float:
    resolved = resolve_subject(subject)
    ed, es = (np.count_nonzero(read_segmentation(resolved, phase).labels == LV) for phase in Phase)
    return 100 * (ed - es) / ed


def test_acdc(real_data: Path) -> None:
    start = time.perf_counter()
    cohort = open_cohort(real_data / "acdc")
    elapsed = time.perf_counter() - start
    assert elapsed < 5  # 0.2 s on an idle machine
    assert cohort.layout == "ACDC"
    assert cohort.problems == ()
    assert len(cohort.subjects) == 50
    assert Counter(subject.group for subject in cohort.subjects) == dict.fromkeys(
        ["NOR", "DCM", "HCM", "MINF", "RV"], 10
    )
    assert all(subject.phases == (Phase.ED, Phase.ES) for subject in cohort.subjects)
    problems = check_pixels(cohort)
    assert not any(problem.severity is Severity.ERROR or "encloses" in problem.what for problem in problems)


def test_real_labels_called_wrongly_are_doubted(real_data: Path, tmp_path: Path) -> None:
    """Every M&Ms volume that is read with ACDC's numbers is warned of, and none that is read with its own."""
    for path in (real_data / "mnms").glob("*.nii.gz"):
        (tmp_path / path.name).symlink_to(path.resolve())
    assert not any("encloses" in problem.what for problem in check_pixels(open_cohort(tmp_path)))
    (tmp_path / "cohort.yaml").write_text("numbering: acdc\n")
    doubted = [p.where for p in check_pixels(open_cohort(tmp_path)) if "encloses is called RV" in p.what]
    assert len(doubted) == 12


def test_acdc_as_nnunet_lays_it_out(real_data: Path, tmp_path: Path) -> None:
    """ED and ES of the same files must be the same as Info.cfg says."""
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    for path in (real_data / "acdc" / "training").glob("patient00*/*_frame??_gt.nii.gz"):
        case = path.name.removesuffix("_gt.nii.gz")
        (tmp_path / "labelsTr" / f"{case}.nii.gz").symlink_to(path.resolve())
        image = path.with_name(f"{case}.nii.gz").resolve()
        (tmp_path / "imagesTr" / f"{case}_0000.nii.gz").symlink_to(image)
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "RV": 1, "MYO": 2, "LV": 3}}')
    raw = open_cohort(tmp_path)
    assert len(raw.subjects) == 9
    own = open_cohort(real_data / "acdc").select(subject.id for subject in raw.subjects)
    for ours, theirs in zip(raw.subjects, own.subjects, strict=True):
        assert [(label.phase, label.listed_frame) for label in ours.labels] == [
            (label.phase, label.listed_frame) for label in theirs.labels
        ]


def test_acdc_groups_differ_as_their_definitions_say(real_data: Path) -> None:
    subjects = open_cohort(real_data / "acdc").subjects
    fractions = {
        group: np.median([ejection_fraction(subject) for subject in subjects if subject.group == group])
        for group in ("NOR", "DCM", "HCM", "MINF")
    }
    means = {
        group: np.mean([ejection_fraction(subject) for subject in subjects if subject.group == group])
        for group in ("DCM", "HCM")
    }
    assert sum(len(subject.labels) for subject in subjects) == 100
    assert means["DCM"] < 30
    assert means["HCM"] > 60
    assert fractions["DCM"] < fractions["MINF"] < 45 < 50 < fractions["NOR"] < fractions["HCM"] + 5


def test_acdc_as_distributed_takes_its_spacing_from_pixdim(real_data: Path) -> None:
    cohort = open_cohort(real_data / "acdc_original_header")
    poor = open_stack(cohort.subject("patient005"))
    good = open_stack(open_cohort(real_data / "acdc").subject("patient005"))
    assert poor.grid.spacing_mm == pytest.approx(good.grid.spacing_mm)
    assert [problem.severity for problem in cohort.problems] == [Severity.WARNING]


def test_mnms_stacks_are_turned_base_first(real_data: Path) -> None:
    cohort = open_cohort(real_data / "mnms")
    assert (cohort.layout, len(cohort.subjects), cohort.problems) == ("M&Ms", 6, ())
    for subject in cohort.subjects:
        assert open_stack(subject).grid.slice_order is SliceOrder.BASE_FIRST
        segmentation = read_segmentation(resolve_subject(subject), Phase.ED)
        assert segmentation.drawn == frozenset(Structure)
        areas = np.count_nonzero(segmentation.labels, axis=(1, 2))
        areas = areas[areas > 0]
        assert areas[:2].mean() > areas[-2:].mean(), subject.id
        assert ejection_fraction(subject) > 10


def test_sunnybrook(real_data: Path) -> None:
    cohort = open_cohort(real_data / "sunnybrook")
    assert (cohort.layout, len(cohort.subjects), cohort.problems) == ("Sunnybrook", 2, ())
    for subject in cohort.subjects:
        stack = open_stack(subject)
        assert stack.n_frames == 20
        assert stack.frame_spacing_s == pytest.approx(0.05, abs=0.005)
        assert [label.listed_frame for label in subject.labels] == [19, 6]
        assert read_segmentation(resolve_subject(subject), Phase.ED).drawn == {LV, MYO}
        assert read_segmentation(resolve_subject(subject), Phase.ES).drawn == {LV}


def test_dicom_and_its_nifti_twin_are_the_same_cine(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "sunnybrook"
    twin = open_cine(folder / "SCD0000301_sax.nii.gz")
    stack = open_cine(folder / "SCD0000301_dicom.zip")
    n_slices, affine = stack.grid.shape[0], stack.grid.affine.copy()
    affine[:3, 3] += affine[:3, 2] * (n_slices - 1)
    affine[:3, 2] *= -1  # the NIfTI file starts at the apex
    assert twin.grid.slices_reversed
    assert np.allclose(affine, twin.grid.affine, atol=1e-3)
    assert np.array_equal(stack.load(), twin.load())
    assert stack.frame_spacing_s == pytest.approx(twin.frame_spacing_s)
    assert stack.problems == ()
    out = tmp_path / "cine.nii.gz"
    write_cine(out, stack)
    assert np.array_equal(open_cine(out).load(), twin.load())


def test_mnms_of_two_vendors(real_data: Path) -> None:
    cohort = open_cohort(real_data / "mnms_vendors")
    assert (cohort.layout, len(cohort.subjects), cohort.problems) == ("M&Ms", 80, ())
    assert Counter(subject.vendor for subject in cohort.subjects) == {"Siemens": 40, "Philips": 40}
    assert all(subject.phases == (Phase.ED, Phase.ES) for subject in cohort.subjects)
    assert check_pixels(cohort) == ()
    for subject in cohort.subjects:
        assert read_segmentation(resolve_subject(subject), Phase.ED).drawn == frozenset(Structure)
        assert ejection_fraction(subject) > 10, subject.id


def test_whole_cines_without_labels(real_data: Path) -> None:
    cohort = open_cohort(real_data / "acdc_cines")
    assert (len(cohort.subjects), cohort.problems) == (50, ())
    assert not any(subject.labels for subject in cohort.subjects)
    stacks = [open_stack(subject) for subject in cohort.subjects]
    assert {stack.frame_spacing_s for stack in stacks} == {None}  # the files say 0, which is no time
    assert (min(s.n_frames for s in stacks), max(s.n_frames for s in stacks)) == (12, 35)
    assert sum(stack.n_frames * stack.grid.shape[0] for stack in stacks) == 9324
    assert check_pixels(cohort) == ()


def test_a_folder_of_several_data_sets(real_data: Path) -> None:
    with pytest.raises(CohortError, match="several data sets"):
        open_cohort(real_data)


def test_segmentations_lie_on_their_images_voxel_by_voxel(real_data: Path, tmp_path: Path) -> None:
    """Write the labels of every M&Ms subject back and compare with the file that they came from."""
    folder = real_data / "mnms"
    before = fingerprint(folder)
    for subject in open_cohort(folder).subjects:
        for phase in Phase:
            source = subject.label(phase)
            assert source is not None
            segmentation = read_segmentation(resolve_subject(subject), phase)
            out = tmp_path / f"{subject.id}_{phase}.nii.gz"
            write_segmentation(out, segmentation.labels, open_cine(subject.frames[segmentation.frame].path))
            ours, theirs = nib.load(out), nib.load(source.source.path)
            assert np.array_equal(np.asarray(ours.dataobj), np.asarray(theirs.dataobj))
            assert np.array_equal(ours.affine, theirs.affine)
    assert fingerprint(folder) == before
