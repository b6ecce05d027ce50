"""The public names of `cmr_ssp`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cmr_ssp
import numpy as np
import pytest
from cmr_ssp import CmrSspError
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import LabelError, RecipeError
from cmr_ssp.recipes import recipe_yaml
from cmr_ssp.subjects import Cohort, Role
from cohort_helpers import mim, segmentation


def test_every_name_is_there_and_listed() -> None:
    assert set(cmr_ssp.__all__) <= set(dir(cmr_ssp))
    for name in cmr_ssp.__all__:
        assert callable(getattr(cmr_ssp, name)), name
    with pytest.raises(AttributeError, match="no attribute 'segmnt'"):
        _ = cmr_ssp.segmnt


def test_names_are_functions_whatever_was_imported_before() -> None:
    """Importing a module with the same name would replace a function."""
    code = "import cmr_ssp, cmr_ssp.jobs, cmr_ssp.cli\n"
    code += "assert all(callable(getattr(cmr_ssp, name)) for name in cmr_ssp.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_loads_nothing_and_listing_no_torch(folder: Path) -> None:
    code = "import sys, cmr_ssp\nassert not {'numpy', 'torch', 'pydantic'} & set(sys.modules)\n"
    code += f"cmr_ssp.open_cohort({str(folder)!r}).to_dataframe(); cmr_ssp.load_recipe('mim/paper')\n"
    code += "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_whole_way_with_paths_and_names(folder: Path, tmp_path: Path) -> None:
    cohort = cmr_ssp.open_cohort(str(folder))
    (tmp_path / "tuned.yaml").write_text(recipe_yaml(segmentation(method="finetune")))
    pretrained = cmr_ssp.pretrain(cohort, mim(), str(tmp_path / "mim"))
    tuned = cmr_ssp.finetune(
        cohort, tmp_path / "tuned.yaml", tmp_path / "tuned", pretrained=pretrained, subjects=2, phases=["ed"]
    )
    (made,) = cmr_ssp.segment(tuned, folder / "a.nii.gz", str(tmp_path / "out"))
    assert made == tmp_path / "out" / "a_seg.nii.gz"
    found, source = cmr_ssp.open_cine(made), cohort.subject("a")
    assert found.shape == cmr_ssp.open_stack(source).shape
    scores = cmr_ssp.evaluate(tuned.folder, cohort, phases="ED")
    table = scores.to_dataframe()
    assert len(table) == len(scores.scores) == 5 * 3
    assert {"subject", "phase", "structure", "dice", "role"} <= set(table.columns)
    assert table.subject.tolist() == [score.subject for score in scores.scores]
    assert table.checkpoint.str.len().eq(16).all()
    assert table.dice.mean() == pytest.approx(np.mean([score.dice for score in scores.scores]), abs=1e-4)


def test_subjects_and_phases_can_be_named(folder: Path, tmp_path: Path) -> None:
    from cmr_ssp.weights import load_checkpoint

    cohort, recipe = cmr_ssp.open_cohort(folder), segmentation(method="scratch")
    first, second = [name for name in "abcde" if name in _pool(cohort)][:2]
    named = cmr_ssp.finetune(cohort, recipe, tmp_path / "1", subjects={first: ["es"], second: ["ED", "ES"]})
    assert dict(load_checkpoint(named.last).provenance.phases) == {first: ["ES"], second: ["ED", "ES"]}
    with pytest.raises(CmrSspError, match="nobody"):
        cmr_ssp.finetune(cohort, recipe, tmp_path / "2", subjects="nobody")


def _pool(cohort: Cohort) -> tuple[str, ...]:
    from cmr_ssp.subjects.split import DEFAULT_TEST_FRACTION, draw_split

    return draw_split(cohort.subjects, test=DEFAULT_TEST_FRACTION).ids(Role.TRAIN)


def test_a_recipe_of_the_other_stage_is_refused(folder: Path, tmp_path: Path) -> None:
    cohort = cmr_ssp.open_cohort(folder)
    with pytest.raises(RecipeError, match=r"'scratch'.*finetune"):
        cmr_ssp.pretrain(cohort, "scratch/paper", tmp_path / "run")
    with pytest.raises(RecipeError, match=r"'mim'.*pretrain"):
        cmr_ssp.finetune(cohort, "mim/paper", tmp_path / "run")
    with pytest.raises(RecipeError, match="not a preset"):
        cmr_ssp.load_recipe("mim/papre")
    with pytest.raises(LabelError, match="no such phase"):
        cmr_ssp.finetune(cohort, "scratch/paper", tmp_path / "run", phases="systole")
    assert not (tmp_path / "run").exists()


def test_methods_are_listed_and_have_presets() -> None:
    from cmr_ssp.recipes import preset_names

    methods = cmr_ssp.list_methods()
    assert {"mim", "simclr", "pcl", "dino"} <= set(methods)
    assert all(any(name.startswith(f"{method}/") for name in preset_names()) for method in methods)


def test_presets_are_listed_with_what_they_are_for() -> None:
    presets = cmr_ssp.list_recipes()
    assert {"mim/paper", "scratch/cpu-small"} <= set(presets)
    assert all(len(purpose.split()) > 3 for purpose in presets.values())
    assert all(cmr_ssp.load_recipe(name).method == name.partition("/")[0] for name in presets)


# ---- cohorts and stacks -------------------------------------------------------------------------


def test_a_cohort_has_a_length_its_subjects_and_a_short_name(folder: Path) -> None:
    cohort = cmr_ssp.open_cohort(folder)
    assert len(cohort) == 6
    assert [subject.id for subject in cohort] == list("abcdef")
    assert str(folder) in repr(cohort)
    assert "6 subjects, 5 labelled" in repr(cohort)
    assert len(repr(cohort)) < 200 + len(str(folder))
    assert bool(replace(cohort, subjects=())), "a cohort without subjects is not None"


def test_a_cohort_becomes_a_table(folder: Path) -> None:
    cohort = cmr_ssp.open_cohort(folder)
    table = cohort.to_dataframe()
    assert list(table.index) == list("abcdef")
    assert table.loc["a", ["frames", "ED", "ES"]].tolist() == [4, 0, 2]
    assert table.loc["f", ["ED", "ES"]].isna().all()
    assert str(table["ED"].dtype) == "Int64"
    assert len(replace(cohort, subjects=()).to_dataframe()) == 0


def test_a_notebook_shows_a_table_without_running_what_names_say(folder: Path) -> None:
    cohort = cmr_ssp.open_cohort(folder)
    shown = cohort._repr_html_()
    assert shown.count("<tr>") == 1 + 6
    hostile = replace(cohort.subjects[0], id="<script>alert(1)</script>")
    shown = replace(cohort, subjects=(hostile,) * 30)._repr_html_()
    assert "<script>" not in shown
    assert "and 10 more" in shown


@pytest.mark.parametrize("name", ["ED", "ed", Phase.ED])
def test_phases_can_be_named_as_text(folder: Path, name: str) -> None:
    subject = cmr_ssp.open_cohort(folder).subject("a")
    found = cmr_ssp.read_segmentation(subject, name)
    assert found.frame == 0
    assert subject.label(name) is subject.label(Phase.ED)


def test_what_is_no_phase_and_what_nobody_drew_are_told_apart(folder: Path) -> None:
    cohort = cmr_ssp.open_cohort(folder)
    with pytest.raises(LabelError, match="no such phase"):
        cmr_ssp.read_segmentation(cohort.subject("a"), "diastole")
    with pytest.raises(LabelError, match="nothing is labelled"):
        cmr_ssp.read_segmentation(cohort.subject("f"), "ED")


def test_pixels_and_spacing_are_where_people_look(folder: Path) -> None:
    stack = cmr_ssp.open_stack(cmr_ssp.open_cohort(folder).subject("a"))
    assert stack.pixels.shape == stack.shape == stack.load().shape
    assert stack.spacing_mm == stack.grid.spacing_mm
    assert f"{stack.n_frames} frames" in repr(stack)
    assert len(repr(stack)) < 150
