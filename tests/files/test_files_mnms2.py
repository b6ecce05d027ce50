from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.cli import main
from cmr_ssp.errors import LabelError, Severity
from cmr_ssp.files import check_pixels, open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.files.labels.placing import equal_frame
from files_helpers import heart, pixels, save

SHAPE = (12, 12, 6)
ED, ES = Phase.ED, Phase.ES
DRAWN = {ED: heart(radius=4.0), ES: heart(radius=3.0)}


def mnms2_subject(folder: Path, code: str, frames: dict[Phase, int], *, cine: bool = True) -> np.ndarray:
    """Write a cine of five frames that all have the same sum, its ED and ES volumes, and labels."""
    here = folder / code
    first = pixels(*SHAPE, seed=int(code))
    images = np.stack([np.roll(first, t, axis=0) for t in range(5)], axis=-1)
    if cine:
        save(here / f"{code}_SA_CINE.nii.gz", images)
    for phase, frame in frames.items():
        save(here / f"{code}_SA_{phase}.nii.gz", images[..., frame])
        save(here / f"{code}_SA_{phase}_gt.nii.gz", DRAWN[phase])
    save(here / f"{code}_LA_CINE.nii.gz", pixels(12, 12, 1, 5))
    return images


def table(folder: Path, *rows: str) -> None:
    lines = ["SUBJECT_CODE,DISEASE,VENDOR,SCANNER,FIELD", *rows]
    (folder / "dataset_information.csv").write_text("\n".join(lines) + "\n")


def frames_of(subject) -> dict[Phase, int]:
    return {label.phase: label.listed_frame for label in subject.labels}


def test_frames_are_found_by_their_voxels(tmp_path: Path) -> None:
    root = tmp_path / "MnM2"
    mnms2_subject(root / "dataset", "001", {ED: 4, ES: 2})
    mnms2_subject(root / "dataset", "102", {ED: 0, ES: 3})
    table(root, "1,NOR,SIEMENS,Avanto,1.5", "102,RV,GE MEDICAL SYSTEMS,Signa,3")
    cohort = open_cohort(root)
    assert (cohort.layout, cohort.problems) == ("M&Ms-2", ())
    assert [(s.id, s.vendor, s.group) for s in cohort.subjects] == [
        ("001", "Siemens", "NOR"),
        ("102", "GE", "RV"),
    ]
    assert all(label.drawn_on for s in cohort.subjects for label in s.labels)
    checked = [resolve_subject(subject) for subject in cohort.subjects]
    assert [frames_of(subject) for subject in checked] == [{ED: 4, ES: 2}, {ED: 0, ES: 3}]
    assert [subject.problems for subject in checked] == [(), ()]
    assert resolve_subject(checked[0]) == checked[0]
    assert open_stack(checked[0]).n_frames == 5
    segmentation = read_segmentation(checked[0], ES)
    assert segmentation.frame == 2
    assert np.array_equal(segmentation.labels, DRAWN[ES].T)
    assert check_pixels(cohort) == ()


def test_a_file_that_changed_is_compared_anew(tmp_path: Path) -> None:
    images = mnms2_subject(tmp_path, "001", {ED: 0, ES: 2})
    (subject,) = open_cohort(tmp_path).subjects
    assert frames_of(resolve_subject(subject)) == {ED: 0, ES: 2}
    save(tmp_path / "001" / "001_SA_ES.nii.gz", images[..., 3])
    assert frames_of(resolve_subject(subject)) == {ED: 0, ES: 3}


@pytest.mark.parametrize(
    ("image", "reason"),
    [(pixels(*SHAPE, seed=99), "equals no frame"), (None, "which belongs to another phase")],
)
def test_a_volume_that_is_no_frame_of_its_own(tmp_path: Path, image: np.ndarray | None, reason: str) -> None:
    images = mnms2_subject(tmp_path, "001", {ED: 1, ES: 2})
    save(tmp_path / "001" / "001_SA_ES.nii.gz", images[..., 1] if image is None else image)
    (subject,) = open_cohort(tmp_path).subjects
    found = resolve_subject(subject)
    (problem,) = found.problems
    assert frames_of(found) == {ED: 1}
    assert (reason in problem.what, problem.severity) == (True, Severity.WARNING)
    with pytest.raises(LabelError, match=reason):
        read_segmentation(found, ES)


def test_without_cine_the_volumes_are_the_frames(tmp_path: Path) -> None:
    mnms2_subject(tmp_path, "001", {ED: 0, ES: 2}, cine=False)
    cohort = open_cohort(tmp_path)
    assert [problem.severity for problem in cohort.problems] == [Severity.WARNING]  # no table
    (subject,) = cohort.subjects
    assert frames_of(subject) == {ED: 0, ES: 1}
    assert frames_of(resolve_subject(subject)) == frames_of(subject)
    assert resolve_subject(subject).problems == ()


def test_a_label_without_its_image(tmp_path: Path) -> None:
    mnms2_subject(tmp_path, "001", {ED: 0, ES: 2})
    (tmp_path / "001" / "001_SA_ES.nii.gz").unlink()
    assert "which has no image" in open_cohort(tmp_path).problems[1].what


def test_one_subjects_folder(tmp_path: Path) -> None:
    mnms2_subject(tmp_path, "001", {ED: 0, ES: 2})
    mnms2_subject(tmp_path, "002", {ED: 0, ES: 2})
    assert [subject.id for subject in open_cohort(tmp_path / "002").subjects] == ["002"]


def test_together_with_mnms(tmp_path: Path) -> None:
    mnms2_subject(tmp_path / "MnM2", "001", {ED: 0, ES: 2})
    save(tmp_path / "MnM" / "A1B2C3" / "A1B2C3_sa.nii.gz", pixels(*SHAPE, 5))
    cohort = open_cohort(tmp_path)
    assert cohort.layout == "M&Ms and M&Ms-2"
    assert [subject.id for subject in cohort.subjects] == ["001", "A1B2C3"]


def test_both_data_sets_as_they_are_distributed(tmp_path: Path) -> None:
    mnms2_subject(tmp_path / "MnM2" / "dataset", "001", {ED: 0, ES: 2})
    for part, code in (("Training/Labeled", "A1B2C3"), ("Testing", "D4E5F6")):
        save(tmp_path / "OpenDataset" / part / code / f"{code}_sa.nii.gz", pixels(*SHAPE, 5))
    assert [subject.id for subject in open_cohort(tmp_path).subjects] == ["001", "A1B2C3", "D4E5F6"]


def test_the_table_of_subjects_does_not_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mnms2_subject(tmp_path, "001", {ED: 4, ES: 2})
    table(tmp_path, "1,NOR,SIEMENS,Avanto,1.5")
    with pytest.raises(SystemExit):
        main(["cohort", "check", str(tmp_path)])
    assert "ED@? ES@?" in " ".join(capsys.readouterr().out.split())


def test_a_frame_that_was_rescaled_is_still_found() -> None:
    frames = pixels(5, 4, 6, 6).astype(np.float32)
    assert equal_frame(frames, frames[3] + 0.2) == 3
    assert equal_frame(frames, frames[3] + 20) is None
    assert equal_frame(frames, frames[3][:, :5]) is None
