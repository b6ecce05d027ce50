"""Segmenting and scoring by the last or the best checkpoint: use, lineage, warnings and errors."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cmr_ssp
import nibabel as nib
import numpy as np
import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CheckpointError, RunError
from cmr_ssp.evaluation import SubjectRole
from cmr_ssp.events import Cancel, Noticed, UpdateFinished
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject, with_label_versions
from cmr_ssp.files.labels.marks import read_mark
from cmr_ssp.runs import (
    Run,
    choose_checkpoint,
    file_digest,
    lineage,
    list_runs,
    read_checkpoint_header,
    stored_scores,
)
from cmr_ssp.subjects import Cohort, Role, Split
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import Listener, segmentation, write_beating_cohort
from early_best import train_with_early_best

NAMES = ("last", "best")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abcd"))


@pytest.fixture(scope="module")
def run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose first checkpoint was the best in validation."""
    return train_with_early_best(tmp_path_factory.mktemp("runs") / "tuned", cohort)


@pytest.fixture
def unvalidated(cohort: Cohort, tmp_path: Path) -> Run:
    return train_with_early_best(tmp_path / "unvalidated", cohort, validated=False)


def path_of(run: Run, name: str) -> Path:
    return {"last": run.last, "best": run.best}[name]


def warnings_about(heard: Listener, what: str) -> list[str]:
    return [str(e.problem) for e in heard.of(Noticed) if what in e.problem.what]


# ---- what is used and recorded ------------------------------------------------------------------


def test_labels_differ_between_both_checkpoints_and_name_theirs(
    cohort: Cohort, run: Run, tmp_path: Path
) -> None:
    assert (read_checkpoint_header(run.best).update, read_checkpoint_header(run.last).update) == (2, 20)
    cine, labels = cohort.root / "c.nii.gz", {}
    for name in NAMES:
        (file,) = cmr_ssp.segment(run, cine, tmp_path / name, checkpoint=name, device="cpu")
        labels[name] = np.asarray(nib.load(file).dataobj)
        mark = read_mark(file)
        assert mark is not None and mark.checkpoint == file_digest(path_of(run, name))
        in_memory = cmr_ssp.segment(run, cmr_ssp.open_cine(cine), checkpoint=name, device="cpu")
        np.testing.assert_array_equal(in_memory, cmr_ssp.open_cine(file).load())
    assert (labels["last"] != labels["best"]).any()
    (default,) = cmr_ssp.segment(run, cine, tmp_path / "default", device="cpu")
    np.testing.assert_array_equal(np.asarray(nib.load(default).dataobj), labels["last"])


def test_scores_of_both_checkpoints_are_kept_apart(cohort: Cohort, run: Run) -> None:
    found = {name: cmr_ssp.evaluate(run, cohort, checkpoint=name, device="cpu") for name in NAMES}
    for name in NAMES:
        stored = stored_scores(run, name)
        assert [s.dice for s in stored] == pytest.approx([s.dice for s in found[name].scores], abs=1e-4)
        digest = file_digest(path_of(run, name))
        assert {score.metadata.checkpoint for score in stored} == {digest[:16]}
    assert [s.dice for s in stored_scores(run)] != [s.dice for s in stored_scores(run, "best")]
    (listed,) = list_runs(run.folder.parent)
    assert listed.mean_test_dice == pytest.approx(
        np.mean([score.dice for score in found["last"].reported]), abs=1e-4
    )


def test_subjects_are_segmented_and_scored_by_the_best(cohort: Cohort, run: Run, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = Run(Path(shutil.copytree(run.folder, tmp_path / "copy" / "tuned")))
    copy.scores.unlink(missing_ok=True)
    copy.best_scores.unlink(missing_ok=True)
    told: list[jobs.SegmentedSubject] = []
    jobs.segment_subjects(
        copy, [cohort.subject("c")], checkpoint="best", device="cpu", output=tmp_path, on_found=told.append
    )
    mark = read_mark(tmp_path / "c_seg.nii.gz")
    assert mark is not None and mark.checkpoint == file_digest(run.best)
    assert {score.metadata.checkpoint for score in told[0].scores} == {file_digest(run.best)[:16]}
    assert stored_scores(copy) == ()
    assert len(stored_scores(copy, "best")) == len(told[0].scores) == 6


def test_a_network_is_loaded_from_the_best(run: Run) -> None:
    for name in NAMES:
        weights = load_checkpoint(path_of(run, name)).network
        found = cmr_ssp.load_network(run, checkpoint=name).state_dict()
        shared = weights.keys() & found.keys()
        assert shared and all(torch.equal(found[key], weights[key]) for key in shared)


# ---- lineage ------------------------------------------------------------------------------------


def roles(run: Run, cohort: Cohort, name: Any) -> dict[tuple[str, Phase], SubjectRole]:
    found = jobs.evaluate(run, cohort, checkpoint=name, device="cpu")
    return {(score.subject, score.phase): score.role for score in found.scores}


@pytest.mark.parametrize("name", NAMES)
def test_corrections_of_one_checkpoint_are_no_test_of_the_other_or_of_descendants(
    cohort: Cohort, run: Run, tmp_path: Path, name: Any
) -> None:
    subject = cohort.subject("c")
    edited = read_segmentation(resolve_subject(subject), Phase.ED)
    made = jobs.add_correction(
        tmp_path / "labels", subject, Phase.ED, edited, run, device="cpu", checkpoint=name
    )
    assert made.checkpoints == (file_digest(path_of(run, name)),)
    kept = tmp_path / "labels" / "c" / "ED" / "v000.nii.gz"
    whole = cmr_ssp.segment(run, open_stack(resolve_subject(subject)), checkpoint=name, device="cpu")
    np.testing.assert_array_equal(cmr_ssp.open_cine(kept).load()[0], whole[edited.frame])
    with_edits = with_label_versions(cohort, tmp_path / "labels")
    for scored_by in NAMES:
        assert roles(run, with_edits, scored_by)["c", Phase.ED] is SubjectRole.EDIT_AGREEMENT
    child = Run(tmp_path / "child")
    jobs.finetune(
        cohort,
        segmentation(),
        child,
        pretrained=run,
        budget=jobs.LabelBudget(["b"]),
        settings=jobs.JobSettings("cpu"),
    )
    assert load_checkpoint(child.last).provenance.pretrained_from == file_digest(run.last)
    assert roles(child, with_edits, "last")["c", Phase.ED] is SubjectRole.EDIT_AGREEMENT


def test_a_continued_run_keeps_its_earlier_best_in_the_lineage_and_loses_its_scores(
    cohort: Cohort, tmp_path: Path
) -> None:
    cancel, run = Cancel(), Run(tmp_path / "run")

    def stop(event: object) -> None:
        if isinstance(event, UpdateFinished) and event.update == 3:
            cancel.request()

    settings = jobs.JobSettings("cpu")
    jobs.finetune(
        cohort,
        segmentation(method="scratch", updates=12),
        run,
        budget=jobs.LabelBudget(["a"]),
        split=Split({"a": Role.TRAIN, "b": Role.TEST}),
        settings=settings,
        on_event=stop,
        cancel=cancel,
    )
    early = file_digest(run.best), file_digest(run.last)
    assert early[0] != early[1]
    jobs.evaluate(run, cohort, checkpoint="best", device="cpu")
    assert run.best_scores.exists()
    jobs.finetune(cohort, None, run, settings=settings, resume=True)
    assert not run.best_scores.exists()
    known = lineage(run, load_checkpoint(run.last).provenance)
    assert known[0] == file_digest(run.last)
    assert {*early, file_digest(run.best)} <= set(known)


# ---- warnings and errors ------------------------------------------------------------------------


def test_the_best_without_validation_is_used_with_a_warning(cohort: Cohort, unvalidated: Run) -> None:
    for name, n in (("last", 0), ("best", 1)):
        heard = Listener()
        jobs.evaluate(unvalidated, cohort, checkpoint=name, device="cpu", on_event=heard)
        assert len(warnings_about(heard, "lowest training loss")) == n
    with pytest.warns(UserWarning, match="lowest training loss"):
        cmr_ssp.load_network(unvalidated, "best")


def test_real_validation_gives_no_warning(tmp_path: Path) -> None:
    ids = [f"s{number:02}" for number in range(12)]
    cohort = open_cohort(write_beating_cohort(tmp_path / "cohort", ids))
    split = Split({name: Role.VALIDATION if name < "s02" else Role.TRAIN for name in ids})
    run = Run(tmp_path / "run")
    jobs.finetune(
        cohort,
        segmentation(method="scratch"),
        run,
        budget=jobs.LabelBudget(10),
        split=split,
        settings=jobs.JobSettings("cpu"),
    )
    assert load_checkpoint(run.best).provenance.validation
    assert choose_checkpoint(run, "best").problems == ()


def test_a_run_without_a_best_checkpoint_is_named(cohort: Cohort, run: Run, tmp_path: Path) -> None:
    copy = Run(Path(shutil.copytree(run.folder, tmp_path / "copy")))
    copy.best.unlink()
    (listed,) = [each for each in list_runs(tmp_path) if each.folder == copy.folder]
    assert listed.has_checkpoint and not listed.has_best
    cine = cohort.root / "c.nii.gz"
    for use in (
        lambda: cmr_ssp.segment(copy, cine, tmp_path / "out", checkpoint="best"),
        lambda: cmr_ssp.segment(copy, cmr_ssp.open_cine(cine), checkpoint="best"),
        lambda: cmr_ssp.evaluate(copy, cohort, checkpoint="best"),
        lambda: cmr_ssp.load_network(copy, "best"),
    ):
        with pytest.raises(RunError, match="copy: has no best checkpoint"):
            use()
    assert not (tmp_path / "out").exists()
    copy.best.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"best\.safetensors"):
        cmr_ssp.load_network(copy, "best")
    newest: Any = "newest"
    with pytest.raises(RunError, match="'newest' is not the name of one"):
        cmr_ssp.load_network(copy, newest)
