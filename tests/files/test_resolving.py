"""Listed and resolved subjects: the frames of labels come from the pixels."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.cli import main
from cmr_ssp.exports import CaseNames, export_nnunet
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject, write_segmentation
from cmr_ssp.subjects import Cohort, FrameSource, ResolvedSubject
from files_helpers import heart, pixels, save

SHAPE = (12, 12, 6)
BIG, SMALL = heart(radius=4.0), heart(radius=3.0)
ED, ES = 0, 3


def mnms(folder: Path, drawn: dict[int, np.ndarray], ed: int, es: int) -> Cohort:
    """Write an M&Ms subject with labels at some frames, and a table that may be wrong about them."""
    labels = np.zeros((*SHAPE, 5), np.uint8)
    for frame, volume in drawn.items():
        labels[..., frame] = volume
    save(folder / "A1B2C3" / "A1B2C3_sa.nii.gz", pixels(*SHAPE, 5, seed=1))
    save(folder / "A1B2C3" / "A1B2C3_sa_gt.nii.gz", labels)
    header = ",External code,VendorName,Vendor,Centre,ED,ES,Pathology"
    (folder / "info.csv").write_text(f"{header}\n0,A1B2C3,Siemens,A,1,{ed},{es},HCM\n")
    return open_cohort(folder)


def exported(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    place = folder / "Dataset001_CMR"
    image = nib.load(place / "imagesTr" / f"{name}_0000.nii.gz")
    return np.asarray(image.dataobj), np.asarray(nib.load(place / "labelsTr" / f"{name}.nii.gz").dataobj)


def test_a_table_that_swaps_ed_and_es_is_exported_right(tmp_path: Path) -> None:
    cohort = mnms(tmp_path / "data", {ED: BIG, ES: SMALL}, ed=ES, es=ED)
    made = export_nnunet(cohort, tmp_path / "raw", case_names=CaseNames.IDS)
    cine = pixels(*SHAPE, 5, seed=1)
    for phase, frame, drawn in ((Phase.ED, ED, BIG), (Phase.ES, ES, SMALL)):
        image, labels = exported(tmp_path / "raw", f"A1B2C3_{phase}")
        assert np.array_equal(labels, drawn)
        assert np.array_equal(image, cine[..., frame])
    assert any("ED at frame 0 and ES at frame 3, which is used" in problem.what for problem in made.problems)


def test_a_table_that_names_an_empty_frame_loses_no_phase(tmp_path: Path) -> None:
    cohort = mnms(tmp_path / "data", {ED: BIG, ES: SMALL}, ed=ED, es=2)
    made = export_nnunet(cohort, tmp_path / "raw", case_names=CaseNames.IDS)
    assert [case.name for case in made.cases] == ["A1B2C3_ED", "A1B2C3_ES"]
    assert np.array_equal(exported(tmp_path / "raw", "A1B2C3_ES")[1], SMALL)
    assert any("ES at frame 3, which is used" in problem.what for problem in made.problems)


def test_a_phase_that_nobody_drew_is_told(tmp_path: Path) -> None:
    cohort = mnms(tmp_path / "data", {ED: BIG}, ed=ED, es=2)
    made = export_nnunet(cohort, tmp_path / "raw", case_names=CaseNames.IDS)
    assert [case.name for case in made.cases] == ["A1B2C3_ED"]
    assert any("ES at frame 2" in problem.what for problem in made.problems)


def test_corrections_belong_to_the_frames_of_the_pixels(tmp_path: Path) -> None:
    cohort = mnms(tmp_path / "data", {ED: BIG, ES: SMALL}, ed=ES, es=ED)
    corrected = np.roll(np.ascontiguousarray(BIG.T), 1, axis=2)
    stack = open_stack(cohort.subjects[0])
    write_segmentation(tmp_path / "corrected" / "A1B2C3_ED.nii.gz", corrected, stack)
    arguments = ["export-cohort", str(tmp_path / "data"), "-o", str(tmp_path / "raw"), "--names", "ids"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--corrected", str(tmp_path / "corrected")])
    assert ended.value.code == 0
    image, labels = exported(tmp_path / "raw", "A1B2C3_ED")
    assert np.array_equal(labels, corrected.T)
    assert np.array_equal(image, pixels(*SHAPE, 5, seed=1)[..., ED])


def test_a_resolved_subject_stays_as_it_is(tmp_path: Path) -> None:
    listed = mnms(tmp_path, {ED: BIG, ES: SMALL}, ed=ES, es=ED).subjects[0]
    resolved = resolve_subject(listed)
    assert isinstance(resolved, ResolvedSubject)
    assert not isinstance(listed, ResolvedSubject)
    assert resolve_subject(resolved) is resolved
    assert [label.source for label in resolved.labels] == [
        FrameSource(tmp_path / "A1B2C3" / "A1B2C3_sa_gt.nii.gz", frame) for frame in (ED, ES)
    ]
    assert np.array_equal(read_segmentation(resolved, Phase.ED).labels, BIG.T)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_cohort_is_pickled(tmp_path: Path, protocol: int) -> None:
    cohort = mnms(tmp_path, {ED: BIG, ES: SMALL}, ed=ES, es=ED)
    assert pickle.loads(pickle.dumps(cohort, protocol)) == cohort  # noqa: S301 - of our own
    resolved = resolve_subject(cohort.subjects[0])
    assert pickle.loads(pickle.dumps(resolved, protocol)) == resolved  # noqa: S301


def test_subjects_are_resolved_in_other_processes(tmp_path: Path) -> None:
    cohort = mnms(tmp_path, {ED: BIG, ES: SMALL}, ed=ES, es=ED)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(resolve_subject, cohort)) == [resolve_subject(cohort.subjects[0])]
        again = pool.submit(open_cohort, tmp_path).result()
    assert again == cohort


def test_labels_in_the_window_lie_at_the_frames_of_the_pixels(tmp_path: Path) -> None:
    from napari_cmr_ssp.io.label_files import label_layer

    mnms(tmp_path, {ED: BIG, ES: SMALL}, ed=1, es=2)
    labels, about, _ = label_layer(tmp_path / "A1B2C3" / "A1B2C3_sa_gt.nii.gz")
    assert [t for t in range(5) if labels[t].any()] == [ED, ES]
    assert set(about["metadata"]["drawn"]) == {ED, ES}
