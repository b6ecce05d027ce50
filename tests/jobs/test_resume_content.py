"""A run is only resumed on the same data: every frame, label, number and frame table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import RunError
from cmr_ssp.events import Cancel, Noticed, Outcome, UpdateFinished
from cmr_ssp.files import open_cohort
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Role, Split
from cmr_ssp.weights import load_checkpoint, save_checkpoint
from cohort_helpers import Listener, mim, segmentation, write_beating_cohort

SPLIT = Split({"a": Role.TRAIN, "b": Role.VALIDATION, "c": Role.TEST})
RECIPES = {"pretrain": mim, "finetune": lambda **more: segmentation(method="scratch", **more)}


class StopAfterOne(Listener):
    """Requests a stop after the first update."""

    def __init__(self) -> None:
        super().__init__()
        self.cancel = Cancel()

    def __call__(self, event: object) -> None:
        super().__call__(event)
        if isinstance(event, UpdateFinished):
            self.cancel.request()


def go(stage: str, folder: Path, *, resume: bool) -> tuple[Outcome, Listener]:
    """Start a run and stop it after an update, or resume it."""
    cohort, run = open_cohort(folder), Run(folder.parent / "run")
    settings = jobs.JobSettings("cpu", bank_folder=folder.parent / "banks")
    heard = Listener() if resume else StopAfterOne()
    more = {"settings": settings, "resume": resume, "on_event": heard}
    more |= {} if isinstance(heard, StopAfterOne) is False else {"cancel": heard.cancel}
    recipe = None if resume else RECIPES[stage]()
    if stage == "pretrain":
        return jobs.pretrain(cohort, recipe, run, split=SPLIT, **more), heard
    budget = jobs.LabelBudget({"a": [Phase.ED], "b": [Phase.ED, Phase.ES]})
    return jobs.finetune(cohort, recipe, run, split=SPLIT, budget=budget, **more), heard


def started(stage: str, tmp_path: Path) -> Path:
    folder = write_beating_cohort(tmp_path / "cohort", "abc")
    assert go(stage, folder, resume=False)[0] is Outcome.STOPPED
    return folder


def change_voxel(path: Path, place: tuple[int, ...], value: int) -> None:
    found = nib.load(path)
    voxels = np.array(found.dataobj)
    assert voxels[place] != value
    voxels[place] = value
    nib.save(nib.Nifti1Image(voxels, found.affine), path)


def last_frame(folder: Path) -> None:
    change_voxel(folder / "a.nii.gz", (2, 3, 1, 3), 7)


def spacing(folder: Path) -> None:
    found = nib.load(folder / "a.nii.gz")
    affine = np.diag([1.7, 1.5, 8.0, 1.0])
    for path in folder.glob("a*.nii.gz"):
        nib.save(nib.Nifti1Image(np.asarray(nib.load(path).dataobj), affine), path)
    assert not np.allclose(found.affine, affine)


def label(folder: Path) -> None:
    change_voxel(folder / "a_ED_gt.nii.gz", (1, 1, 1), 1)


def validation_label(folder: Path) -> None:
    change_voxel(folder / "b_ES_gt.nii.gz", (1, 1, 1), 1)


def numbering(folder: Path) -> None:
    (folder / "cohort.yaml").write_text("structures: {RV: 1, MYO: 2, LV: 3}\n")


def frame_table(folder: Path) -> None:
    table = folder / "subjects.csv"
    table.write_text(table.read_text().replace("a,0,2,A", "a,1,2,A"))
    assert "a,1,2" in table.read_text()


def missing_structure(folder: Path) -> None:
    path = folder / "a_ED_gt.nii.gz"
    found = nib.load(path)
    voxels = np.array(found.dataobj)
    voxels[voxels == 3] = 0
    nib.save(nib.Nifti1Image(voxels, found.affine), path)


def unused_label(folder: Path) -> None:
    change_voxel(folder / "a_ES_gt.nii.gz", (1, 1, 1), 1)


def test_subject(folder: Path) -> None:
    change_voxel(folder / "c.nii.gz", (2, 3, 1, 3), 7)


test_subject.__test__ = False  # type: ignore[attr-defined]

Change = Callable[[Path], None]
REFUSED: list[tuple[str, Change, str]] = [
    ("pretrain", last_frame, "other images of a"),
    ("pretrain", spacing, "other images of a"),
    ("finetune", last_frame, "other images of a"),
    ("finetune", spacing, "other images of a"),
    ("finetune", label, "other labels of a"),
    ("finetune", validation_label, "other labels of b"),
    ("finetune", numbering, "other labels of a, b"),
    ("finetune", frame_table, "other labels of a"),
    ("finetune", missing_structure, "other labels of a"),
]
HARMLESS: list[tuple[str, Change]] = [
    ("pretrain", label),
    ("pretrain", numbering),
    ("pretrain", test_subject),
    ("finetune", unused_label),
    ("finetune", test_subject),
]


@pytest.mark.parametrize(("stage", "change", "why"), REFUSED, ids=lambda one: getattr(one, "__name__", one))
def test_what_enters_training_may_not_change(tmp_path: Path, stage: str, change: Change, why: str) -> None:
    folder = started(stage, tmp_path)
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    change(folder)
    with pytest.raises(RunError, match=f"{why}\\."):
        go(stage, folder, resume=True)
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before


@pytest.mark.parametrize(("stage", "change"), HARMLESS, ids=lambda one: getattr(one, "__name__", one))
def test_what_does_not_enter_may_change(tmp_path: Path, stage: str, change: Change) -> None:
    folder = started(stage, tmp_path)
    change(folder)
    outcome, heard = go(stage, folder, resume=True)
    assert outcome is Outcome.FINISHED
    assert not [notice for notice in heard.of(Noticed) if "earlier version" in notice.problem.what]


@pytest.mark.parametrize("stage", RECIPES)
def test_a_run_of_an_earlier_version_is_resumed_with_a_warning(tmp_path: Path, stage: str) -> None:
    folder, run = started(stage, tmp_path), Run(tmp_path / "run")
    kept = load_checkpoint(run.last)
    older = json.loads(json.dumps(kept.provenance.as_dict() | {"images": {}, "labels": {}}))
    save_checkpoint(run.last, replace(kept, provenance=type(kept.provenance).from_dict(older)))
    outcome, heard = go(stage, folder, resume=True)
    assert outcome is Outcome.FINISHED
    assert [notice.problem.where for notice in heard.of(Noticed) if "earlier" in notice.problem.what] == [
        str(run.folder)
    ]
