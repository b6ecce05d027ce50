"""File names that are not UTF-8: Python uses surrogate escapes, which cannot be written to text files."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import cmr_ssp
import numpy as np
import pytest
from cmr_ssp.cli import main
from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.files import open_cohort
from cmr_ssp.recipes import Recipe, recipe_yaml
from cohort_helpers import mim, segmentation, write_beating_cohort
from dicom_helpers import save_exam, siemens

from napari_cmr_ssp.io.reader import get_reader

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")

ODD = os.fsdecode(b"zo\xeb")


@pytest.fixture
def named_oddly(tmp_path: Path) -> Path:
    """Return a cohort in a folder whose name is not UTF-8, with UTF-8 file names."""
    return write_beating_cohort(tmp_path / ODD / "cohort", "abc")


@pytest.fixture
def with_odd_file(tmp_path: Path) -> Path:
    """Return a cohort one of whose subjects has a name that is not UTF-8."""
    folder = write_beating_cohort(tmp_path / "cohort", "abc")
    for name in ("a.nii.gz", "a_ED_gt.nii.gz", "a_ES_gt.nii.gz"):
        shutil.copy(folder / name, folder / name.replace("a", ODD, 1))
    return folder


def ends(words: list[object]) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def recipe_in(folder: Path, recipe: Recipe) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(recipe_yaml(recipe))
    return path


def text_of(problem: Problem) -> str:
    return str(problem).encode().decode()


def test_problems_can_be_written_whatever_they_name() -> None:
    problem = Problem(ODD, f"of {ODD}", f"rename {ODD}")
    assert text_of(problem) == "zo\\udceb: of zo\\udceb. rename zo\\udceb"
    assert str(CohortError.of(Path(ODD), "x", "y.")) == "zo\\udceb: x. y."


def test_a_subject_of_such_a_name_is_left_out_with_the_reason(with_odd_file: Path) -> None:
    cohort = open_cohort(with_odd_file)
    assert [subject.id for subject in cohort] == ["a", "b", "c"]
    (told,) = [problem for problem in cohort.problems if "UTF-8" in problem.what]
    assert "zo\\udceb" in text_of(told)
    assert "Rename" in told.remedy
    for problem in cohort.problems:
        text_of(problem)


def test_the_other_subjects_are_trained_on(
    with_odd_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    split, run = tmp_path / "split.yaml", tmp_path / "run"
    assert ends(["cohort", "check", with_odd_file, "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["problems"]
    assert ends(["cohort", "split", with_odd_file, "-o", split, "--test", "0.4"]) == 0
    recipe = recipe_in(tmp_path, mim())
    assert ends(["pretrain", with_odd_file, "--split", split, "--recipe", recipe, "--run", run]) == 0
    assert "Traceback" not in capfd.readouterr().err


def test_a_folder_of_such_a_name_trains_segments_and_scores(
    named_oddly: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = named_oddly.parent
    pretrained, tuned, out = place / "mim", place / "tuned", place / "segmented"
    assert ends(["cohort", "check", named_oddly]) == 0
    recipe = recipe_in(place, mim())
    assert ends(["pretrain", named_oddly, "--recipe", recipe, "--run", pretrained]) == 0
    recipe = recipe_in(place, segmentation(method="finetune"))
    words = ["finetune", named_oddly, "--from", pretrained, "--recipe", recipe, "--run", tuned]
    assert ends([*words, "--subjects", 1]) == 0, capfd.readouterr().err
    odd = shutil.copy(named_oddly / "a.nii.gz", place / f"{ODD}.nii.gz")
    assert ends(["segment", tuned, odd, "-o", out]) == 0
    assert (out / f"{ODD}_seg.nii.gz").is_file()
    assert ends(["segment", tuned, odd, "-o", out, "--json"]) == 0
    assert ends(["evaluate", tuned, named_oddly, "--csv", place / "scores.csv"]) == 0
    assert ends(["volumes", out / f"{ODD}_seg.nii.gz", "--csv", place / "volumes.csv"]) == 1
    assert "UTF-8" in capfd.readouterr().err
    assert not (place / "volumes.csv").exists()
    for to in ("slicer", "itksnap"):
        words = ["export", out / f"{ODD}_seg.nii.gz", "--source", odd, "--to", to]
        assert ends([*words, "--frames", "all", "-o", place / to]) == 0, capfd.readouterr().err
    labels = ["labels", "add", out / f"{ODD}_seg.nii.gz", "--cohort", named_oddly, "--subject", "a"]
    words = ["--phase", "ED", "--frame", 0, "--corrected-from", tuned]
    assert ends([*labels, *words, "--labels", place / "versions"]) == 0, capfd.readouterr().err
    words = ["export-cohort", named_oddly, "-o", place / "nnunet", "--key", place / "key.csv"]
    assert ends(words) == 0, capfd.readouterr().err


def test_dicom_files_of_such_names_are_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    exam = save_exam(tmp_path / ODD / f"exam {ODD}", siemens())
    for path in sorted(exam.rglob("*")):
        if path.is_file():
            path.rename(path.with_name(f"{ODD} {path.name}"))
    cohort = open_cohort(exam.parent)
    (subject,) = cohort
    assert cmr_ssp.open_stack(subject).pixels.any()
    run = exam.parent.parent / "run"
    assert ends(["pretrain", exam.parent, "--recipe", recipe_in(tmp_path, mim()), "--run", run]) == 0
    assert ends(["convert", exam, "-o", tmp_path / ODD / f"{ODD}.nii.gz"]) == 0
    assert "Traceback" not in capfd.readouterr().err


def test_napari_opens_files_of_such_names(with_odd_file: Path) -> None:
    path = str(with_odd_file / f"{ODD}.nii.gz")
    read = get_reader(path)
    assert read is not None
    pixels, *_ = read(path)[0]
    assert np.array_equal(pixels, get_reader(path.replace(ODD, "a"))(path.replace(ODD, "a"))[0][0])


def test_asking_for_a_subject_that_was_left_out_names_it_with_escapes(with_odd_file: Path) -> None:
    with pytest.raises(CohortError, match=r"zo\\udceb"):
        open_cohort(with_odd_file).subject(ODD)
