"""All jobs from start to end on a tiny cohort: roles, leaks, label budgets, outcomes, unchanged sources."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import (
    CheckpointError,
    CmrSspError,
    CohortError,
    DeviceError,
    ImageError,
    OutputError,
    RecipeError,
    RunError,
)
from cmr_ssp.evaluation import SubjectRole, scores_csv
from cmr_ssp.events import (
    Cancel,
    EpochFinished,
    Noticed,
    Outcome,
    Preparing,
    RunStarted,
    UpdateFinished,
)
from cmr_ssp.files import exam_id, open_cine, open_cohort
from cmr_ssp.jobs.scoring import subject_role
from cmr_ssp.methods.mim.objective import MimObjective
from cmr_ssp.networks import UNet
from cmr_ssp.recipes import matching_preset
from cmr_ssp.runs import Provenance, Run, file_digest
from cmr_ssp.subjects import Cohort, Role, Split
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import (
    COLUMNS,
    ED,
    ES,
    FRAMES,
    ROWS,
    SLICES,
    Listener,
    mim,
    segmentation,
    write_beating_cohort,
)
from dicom_helpers import save_exam, siemens
from files_helpers import fingerprint, save
from training_helpers import measured

IDS = tuple("abcdefgh")
UNLABELLED = "h"
SPLIT = Split(dict.fromkeys("abcde", Role.TRAIN) | {"f": Role.TEST, "g": Role.TEST, UNLABELLED: Role.TRAIN})
FROZEN = {"optimiser": {"name": "sgd", "learning_rate": 1e-30, "momentum": 0, "nesterov": False}}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cohort]:
    folder = write_beating_cohort(tmp_path_factory.mktemp("cohort"), IDS, labelled=IDS[:-1])
    before = fingerprint(folder)
    yield open_cohort(folder)
    assert fingerprint(folder) == before, "a source file changed"


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> jobs.JobSettings:
    return jobs.JobSettings("cpu", bank_folder=tmp_path_factory.mktemp("banks"))


@dataclass
class Story:
    """A pretraining, a fine-tuning from it, and their events."""

    pretrained: Run
    finetuned: Run
    told: tuple[Listener, Listener]


@pytest.fixture(scope="module")
def story(cohort: Cohort, banks: jobs.JobSettings, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("runs")
    first, second = Run(folder / "mim"), Run(folder / "new" / "finetuned")
    told = Listener(), Listener()
    jobs.pretrain(cohort, mim(), first, split=SPLIT, settings=banks, on_event=told[0])
    jobs.finetune(
        cohort,
        segmentation(**FROZEN),
        second,
        pretrained=first,
        budget=jobs.LabelBudget(2, seed=1),
        settings=banks,
        on_event=told[1],
    )
    return Story(first, second, told)


def state(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "state.json").read_text())
    return found


# ---- the whole way ------------------------------------------------------------------------------


def test_both_stages_finish_and_leave_a_complete_run(story: Story) -> None:
    for run, heard in zip((story.pretrained, story.finetuned), story.told, strict=True):
        assert heard.end.outcome is Outcome.FINISHED
        assert state(run) == {"state": "finished", "problems": []}
        records = {"records"} if run is story.pretrained else set()
        assert {path.name for path in run.folder.iterdir()} == records | {
            "recipe.yaml",
            "split.yaml",
            "history.csv",
            "last.safetensors",
            "best.safetensors",
            "state.json",
        }
        assert run.split() == SPLIT
        assert load_checkpoint(run.last).tally["update"] == 2
        assert [event.update for event in heard.of(UpdateFinished)] == [1, 2]
        assert heard.of(EpochFinished)
        (started,) = heard.of(RunStarted)
        assert (started.folder, started.updates, started.device) == (run.folder, 2, "cpu")


def test_pretraining_sees_every_frame_and_slice_of_training_subjects(story: Story) -> None:
    (started,) = story.told[0].of(RunStarted)
    assert started.samples == 6 * FRAMES * SLICES
    seen = load_checkpoint(story.pretrained.last).provenance
    assert set(seen.pretraining) == {*"abcde", UNLABELLED}
    assert (seen.training, seen.validation, seen.pretrained_from) == ({}, {}, "")


def test_finetuning_sees_the_labelled_slices_of_its_budget(story: Story, cohort: Cohort) -> None:
    (started,) = story.told[1].of(RunStarted)
    assert started.samples == 2 * 2 * SLICES
    seen = load_checkpoint(story.finetuned.last).provenance
    drawn = jobs.LabelBudget(2, seed=1).choose(cohort, SPLIT).training
    assert set(seen.training) == set(drawn) < set("abcde")
    assert set(seen.pretraining) == {*"abcde", UNLABELLED}
    assert {phase for phases in seen.phases.values() for phase in phases} == {"ED", "ES"}
    assert seen.pretrained_from == file_digest(story.pretrained.last)


def test_encoder_and_decoder_come_from_the_pretraining(story: Story) -> None:
    """The learning rate is negligible, so the weights are still those that were loaded."""
    before, after = (load_checkpoint(run.last).network for run in (story.pretrained, story.finetuned))
    weights = [name for name in after if name.endswith("weight") and not name.startswith("heads")]
    assert len(weights) == 13
    assert all(torch.equal(before[name], after[name]) for name in weights)
    assert after["heads.0.weight"].shape[0] == 4


def test_evaluation_reports_the_role_of_each_subject(story: Story, cohort: Cohort) -> None:
    heard = Listener()
    found = jobs.evaluate(story.finetuned, cohort, device="cpu", on_event=heard)
    assert heard.end.outcome is found.outcome is Outcome.FINISHED
    trained = set(load_checkpoint(story.finetuned.last).provenance.training)
    roles = {score.subject: score.role for score in found.scores}
    assert roles == dict.fromkeys("abcde", SubjectRole.SEEN_IN_PRETRAINING) | {
        "f": SubjectRole.TEST,
        "g": SubjectRole.TEST,
    } | dict.fromkeys(trained, SubjectRole.TRAINED_ON)
    assert not found.foreign
    assert {score.subject for score in found.reported} == {"f", "g"}
    assert len(found.scores) == 7 * 2 * 3
    rows = list(csv.DictReader(scores_csv(found.scores).splitlines()))
    assert {"subject", "phase", "structure", "dice", "role"} <= set(rows[0])


def test_unused_training_subjects_are_not_a_test_set(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path
) -> None:
    run = Run(tmp_path / "scratch")
    budget = jobs.LabelBudget(["c"], phases=[Phase.ED])
    jobs.finetune(cohort, segmentation(method="scratch"), run, budget=budget, split=SPLIT, settings=banks)
    found = jobs.evaluate(run, cohort, phases=[Phase.ES], device="cpu")
    roles = {score.subject: score.role for score in found.scores}
    assert roles == dict.fromkeys("abde", SubjectRole.POOL) | {
        "c": SubjectRole.TRAINED_ON,
        "f": SubjectRole.TEST,
        "g": SubjectRole.TEST,
    }
    assert {score.phase for score in found.scores} == {Phase.ES}
    seen = load_checkpoint(run.last).provenance
    assert (list(seen.phases.values()), seen.pretraining, seen.pretrained_from) == ([["ED"]], {}, "")


def test_evaluation_scores_the_segmentation_that_segment_writes(
    story: Story, cohort: Cohort, tmp_path: Path
) -> None:
    source = cohort.root / "f.nii.gz"
    jobs.segment(story.finetuned, [source], tmp_path, device="cpu")
    written = open_cine(tmp_path / "f_seg.nii.gz").load()
    found = jobs.evaluate(story.finetuned, cohort, device="cpu").scores
    for phase, frame in ((Phase.ED, ED), (Phase.ES, ES)):
        reference = open_cine(cohort.root / f"f_{phase}_gt.nii.gz").load()[0]
        for structure in Structure:
            ours, theirs = written[frame] == structure, reference == structure
            expected = 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum())
            (score,) = [s for s in found if (s.subject, s.phase, s.structure) == ("f", phase, structure)]
            assert score.dice == pytest.approx(expected)


# ---- what a run has seen, whatever it is called -------------------------------------------------


def copied(cohort: Cohort, folder: Path, names: dict[str, str]) -> Cohort:
    """Copy subjects with other ids."""
    folder.mkdir()
    for old, new in names.items():
        for end in (".nii.gz", "_ED_gt.nii.gz", "_ES_gt.nii.gz"):
            shutil.copy(cohort.root / f"{old}{end}", folder / f"{new}{end}")
    rows = [f"{new},{ED},{ES}" for new in names.values()]
    (folder / "subjects.csv").write_text("\n".join(["id,ed_frame,es_frame", *rows]) + "\n")
    return open_cohort(folder)


def test_the_same_pixels_under_another_id_are_recognised(
    story: Story, cohort: Cohort, tmp_path: Path
) -> None:
    trained = sorted(load_checkpoint(story.finetuned.last).provenance.training)
    other = sorted(set("abcde") - set(trained))
    renamed = copied(cohort, tmp_path / "renamed", {trained[0]: "x", other[0]: "y", "f": "z"})
    found = jobs.evaluate(story.finetuned, renamed, device="cpu")
    assert {score.subject: score.role for score in found.scores} == {
        "x": SubjectRole.TRAINED_ON,
        "y": SubjectRole.SEEN_IN_PRETRAINING,
        "z": SubjectRole.TEST,
    }
    assert found.foreign
    assert {score.subject for score in found.reported} == {"z"}


def test_other_pixels_under_a_known_id_are_another_subject(story: Story, tmp_path: Path) -> None:
    """Ids such as 001 are in every data set; "h" was pretrained on, "a" to "e" may have been trained on."""
    folder = write_beating_cohort(tmp_path / "namesakes", ["a", "b", "c", "h", "z"], seed=300)
    found = jobs.evaluate(story.finetuned, open_cohort(folder), device="cpu")
    assert {score.subject: score.role for score in found.scores} == dict.fromkeys("abchz", SubjectRole.TEST)


KNOWN = Provenance(
    training={"t": "1"}, validation={"v": "2"}, pretraining={"t": "1", "p": "3", "unknown": ""}
)


@pytest.mark.parametrize(
    ("subject", "pixels", "role"),
    [
        ("t", "1", SubjectRole.TRAINED_ON),
        ("x", "1", SubjectRole.TRAINED_ON),
        ("t", "9", SubjectRole.TEST),
        ("v", "2", SubjectRole.VALIDATION),
        ("v", "9", SubjectRole.TEST),
        ("v", "1", SubjectRole.TRAINED_ON),
        ("p", "3", SubjectRole.SEEN_IN_PRETRAINING),
        ("p", "2", SubjectRole.VALIDATION),
        ("p", "9", SubjectRole.TEST),
        ("unknown", "9", SubjectRole.SEEN_IN_PRETRAINING),
        ("pool", "9", SubjectRole.POOL),
        ("spare", "9", SubjectRole.POOL),
        ("test", "9", SubjectRole.TEST),
        ("foreign", "9", SubjectRole.TEST),
    ],
)
def test_roles_depend_on_the_fingerprint_if_there_is_one(
    subject: str, pixels: str, role: SubjectRole
) -> None:
    roles = dict.fromkeys(["t", "p", "pool"], Role.TRAIN) | dict.fromkeys(["v", "spare"], Role.VALIDATION)
    assert subject_role(subject, pixels, KNOWN, Split(roles | {"test": Role.TEST})) is role


def test_all_scores_of_an_external_cohort_are_reported(story: Story, tmp_path: Path) -> None:
    folder = write_beating_cohort(tmp_path / "foreign", ["p", "q"], seed=100)
    found = jobs.evaluate(story.finetuned, open_cohort(folder), device="cpu")
    assert found.foreign
    assert found.reported == found.scores
    assert {score.role for score in found.scores} == {SubjectRole.TEST}


def test_finetuning_a_finetuned_run_keeps_all_subjects_in_the_provenance(
    story: Story, cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path
) -> None:
    first, second = Run(tmp_path / "first"), Run(tmp_path / "second")
    for run, name, source in ((first, "a", None), (second, "b", first)):
        jobs.finetune(
            cohort,
            segmentation(),
            run,
            pretrained=source,
            budget=jobs.LabelBudget([name]),
            split=SPLIT,
            settings=banks,
        )
    roles = {score.subject: score.role for score in jobs.evaluate(second, cohort, device="cpu").scores}
    assert roles["a"] is SubjectRole.SEEN_IN_PRETRAINING
    assert roles["b"] is SubjectRole.TRAINED_ON
    assert roles["c"] is SubjectRole.POOL


def test_pretraining_never_reads_a_test_subject(banks: jobs.JobSettings, tmp_path: Path) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "abc")
    listed = open_cohort(folder)
    for path in folder.glob("c*.nii.gz"):
        path.write_bytes(b"unreadable")
    split = Split({"a": Role.TRAIN, "b": Role.VALIDATION, "c": Role.TEST})
    run = Run(tmp_path / "run")
    assert jobs.pretrain(listed, mim(), run, split=split, settings=banks) is Outcome.FINISHED
    seen = load_checkpoint(run.last).provenance
    assert (list(seen.pretraining), list(seen.validation)) == (["a"], ["b"])
    assert "validation_negative_error" in run.read_history()[-1]
    for path in folder.glob("a*.nii.gz"):
        path.write_bytes(b"unreadable")
    with pytest.raises(CmrSspError, match=r"a\.nii\.gz"):  # as a training subject's file would be
        jobs.pretrain(listed, mim(), Run(tmp_path / "again"), split=split, settings=banks)


def test_a_split_that_is_drawn_is_stored_and_inherited(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path
) -> None:
    first, second = Run(tmp_path / "first"), Run(tmp_path / "second")
    jobs.pretrain(cohort, mim(), first, settings=banks)
    drawn = first.split()
    assert len(drawn.ids(Role.TEST)) == 2  # a quarter of the seven that are labelled
    assert drawn.role(UNLABELLED) is Role.TRAIN
    jobs.finetune(cohort, segmentation(), second, pretrained=first, settings=banks)
    assert second.split() == drawn
    assert set(load_checkpoint(second.last).provenance.training) == set(drawn.ids(Role.TRAIN)) - {UNLABELLED}


def test_a_cohort_without_any_label_can_be_pretrained_on(banks: jobs.JobSettings, tmp_path: Path) -> None:
    unlabelled = open_cohort(write_beating_cohort(tmp_path / "cohort", "ab", labelled=()))
    run = Run(tmp_path / "run")
    assert jobs.pretrain(unlabelled, mim(), run, settings=banks) is Outcome.FINISHED
    assert run.split().ids(Role.TRAIN) == ("a", "b")
    with pytest.raises(CohortError, match="labelled"):
        jobs.finetune(unlabelled, segmentation(), Run(tmp_path / "next"), pretrained=run, settings=banks)
    with pytest.raises(CohortError, match="labelled"):
        jobs.evaluate(run, unlabelled)


def test_validation_subjects_select_the_best_checkpoint_of_larger_budgets(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["cmr_ssp.jobs.budget"]
    monkeypatch.setattr(module, "MIN_SUBJECTS_TO_VALIDATE", 3)
    monkeypatch.setattr(module, "_VALIDATION_SHARE", 2)
    split = Split(dict(SPLIT.roles) | {"d": Role.VALIDATION, "e": Role.VALIDATION})
    # subjects asked for: a number counts those that validate
    for asked, n_training, n_validating in ((2, 2, 0), (3, 2, 1), (None, 3, 2), (["a", "b", "c"], 3, 2)):
        run = Run(tmp_path / str(asked))
        budget = jobs.LabelBudget(asked)
        jobs.finetune(cohort, segmentation(), run, budget=budget, split=split, settings=banks)
        seen = load_checkpoint(run.last).provenance
        assert (len(seen.training), len(seen.validation)) == (n_training, n_validating)
        assert set(seen.training) <= set("abc") and set(seen.validation) <= set("de")
        row = run.read_history()[-1]
        assert ("validation_dice" in row) == bool(n_validating)
    parts = [float(row[f"validation_dice_{structure.name}"]) for structure in Structure]
    assert float(row["validation_dice"]) == pytest.approx(np.mean(parts))


def test_a_budget_can_be_limited_to_vendors(cohort: Cohort) -> None:
    made_by = ["Siemens", "GE", "Philips", "Siemens", "GE", None, "Siemens", "GE"]
    makers = dict(zip(IDS, made_by, strict=True))
    subjects = tuple(replace(subject, vendor=makers[subject.id]) for subject in cohort.subjects)
    mixed = replace(cohort, subjects=subjects)
    found = jobs.LabelBudget(vendors=["siemens", "Philips"]).choose(mixed, SPLIT).training
    assert set(found) == {"a", "c", "d"}  # g is a test subject
    assert set(jobs.LabelBudget(1, vendors=["Philips"]).choose(mixed, SPLIT).training) == {"c"}
    with pytest.raises(CohortError, match="Canon"):
        jobs.LabelBudget(vendors=["Canon"]).choose(mixed, SPLIT)
    with pytest.raises(CohortError, match="2 may train"):
        jobs.LabelBudget(3, vendors=["GE"]).choose(mixed, SPLIT)


# ---- label budgets ------------------------------------------------------------------------------


def names(cohort: Cohort, budget: jobs.LabelBudget, split: Split = SPLIT) -> set[str]:
    return set(budget.choose(cohort, split).training)


def test_budgets_of_one_seed_nest_and_seeds_differ(cohort: Cohort) -> None:
    drawn = [[names(cohort, jobs.LabelBudget(n, seed)) for n in range(1, 6)] for seed in range(6)]
    for one_seed in drawn:
        assert [len(found) for found in one_seed] == [1, 2, 3, 4, 5]
        assert all(a < b for a, b in pairwise(one_seed))
    assert len({frozenset(one_seed[1]) for one_seed in drawn}) > 1
    assert names(cohort, jobs.LabelBudget()) == set("abcde")


def test_named_subjects_are_used_without_a_draw(cohort: Cohort) -> None:
    assert names(cohort, jobs.LabelBudget(["d", "a", "d"])) == {"a", "d"}


@pytest.mark.parametrize(
    ("budget", "complaint"),
    [
        (jobs.LabelBudget(["a", "f"]), r"f: is a test subject"),
        (jobs.LabelBudget([UNLABELLED]), r"h: is not labelled at ED\+ES"),
        (jobs.LabelBudget(["a", "nobody", "nowhere"]), r"(?s)'nobody'.*'nowhere'"),
        (jobs.LabelBudget(6), r"6 labelled subjects were requested, but only 5 may train.*1 to 5"),
        (jobs.LabelBudget(0), "0 labelled subjects"),
        (jobs.LabelBudget([]), "no subject is named"),
    ],
)
def test_impossible_budgets_are_refused_with_the_reason(
    cohort: Cohort, budget: jobs.LabelBudget, complaint: str
) -> None:
    with pytest.raises(CohortError, match=complaint):
        budget.choose(cohort, SPLIT)


def test_a_phase_that_is_not_labelled_cannot_be_trained_on(tmp_path: Path) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "ab")
    (folder / "a_ES_gt.nii.gz").unlink()
    half = open_cohort(folder)
    split = Split(dict.fromkeys("ab", Role.TRAIN))
    assert names(half, jobs.LabelBudget(phases=[Phase.ES]), split) == {"b"}
    assert names(half, jobs.LabelBudget(phases=[Phase.ED]), split) == {"a", "b"}
    with pytest.raises(CohortError, match="a: is not labelled at ES"):
        names(half, jobs.LabelBudget(["a"], phases=[Phase.ES]), split)
    each_its_own = jobs.LabelBudget({"a": [Phase.ED], "b": [Phase.ES]})
    assert each_its_own.choose(half, split).training == {"a": (Phase.ED,), "b": (Phase.ES,)}
    with pytest.raises(CohortError, match="a: is not labelled at ES"):
        names(half, jobs.LabelBudget({"a": [Phase.ES], "b": [Phase.ES]}), split)
    (folder / "b_ES_gt.nii.gz").unlink()
    with pytest.raises(CohortError, match="no training subject is labelled at ES"):
        names(open_cohort(folder), jobs.LabelBudget(phases=[Phase.ES]), split)


def test_empty_label_files_are_not_labels(banks: jobs.JobSettings, tmp_path: Path) -> None:
    """All frames of a 4D label file are zero, though the table names ED and ES."""
    folder = write_beating_cohort(tmp_path / "cohort", "ab", labelled="b")
    save(folder / "a_gt.nii.gz", np.zeros((COLUMNS, ROWS, SLICES, FRAMES), np.uint8))
    listed, split = open_cohort(folder), Split(dict.fromkeys("ab", Role.TRAIN))
    run = Run(tmp_path / "run")
    with pytest.raises(CohortError, match="labelled"):
        jobs.finetune(
            listed, segmentation(), run, budget=jobs.LabelBudget(["a"]), split=split, settings=banks
        )
    jobs.finetune(listed, segmentation(), run, budget=jobs.LabelBudget(["b"]), split=split, settings=banks)
    found = jobs.evaluate(run, listed, device="cpu")
    assert {score.subject for score in found.scores if score.dice is not None} == {"b"}


def test_a_structure_that_is_not_labelled_has_no_score(story: Story, tmp_path: Path) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", ["p"], seed=50)
    for path in folder.glob("p_E?_gt.nii.gz"):
        image = nib.load(path)
        labels = np.asarray(image.dataobj)
        save(path, np.where(labels == 3, 0, labels).astype(np.uint8), image.affine)
    found = jobs.evaluate(story.finetuned, open_cohort(folder), device="cpu")
    assert {score.structure for score in found.scores if score.dice is None} == {Structure.RV}
    assert "n/a" in scores_csv(found.scores)


# ---- banks, time --------------------------------------------------------------------------------


def test_the_bank_is_built_once(cohort: Cohort, tmp_path: Path) -> None:
    settings = jobs.JobSettings("cpu", bank_folder=tmp_path / "banks")
    steps = []
    for name in ("one", "two"):
        heard = Listener()
        jobs.pretrain(cohort, mim(), Run(tmp_path / name), split=SPLIT, settings=settings, on_event=heard)
        steps.append([(event.done, event.total) for event in heard.of(Preparing)])
        assert len(list((tmp_path / "banks").iterdir())) == 1
    assert steps == [[(k, 6) for k in range(1, 7)], []]
    assert measured(Run(tmp_path / "one")) == measured(Run(tmp_path / "two"))


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_time_limit_sets_the_number_of_updates(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path, stage: str
) -> None:
    settings = jobs.JobSettings("cpu", 0.005, banks.bank_folder)
    run = Run(tmp_path / "run")
    if stage == "pretrain":
        jobs.pretrain(cohort, mim(updates=12345), run, split=SPLIT, settings=settings)
    else:
        jobs.finetune(cohort, segmentation(updates=12345), run, split=SPLIT, settings=settings)
    kept = load_checkpoint(run.last)
    assert kept.recipe.updates == kept.tally["update"] < 12345
    assert kept.recipe.epochs is None


# ---- ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "named", "told"),
    [
        (RuntimeError("the roof came down"), RuntimeError, "RuntimeError: the roof came down"),
        (MemoryError(), DeviceError, "micro_batch"),
        (torch.OutOfMemoryError("CUDA out of memory"), DeviceError, "micro_batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), DeviceError, "micro_batch"),
        (RunError.of("here", "is wrong", "Do better."), RunError, "here: is wrong. Do better."),
        (KeyboardInterrupt(), KeyboardInterrupt, "it was interrupted"),
    ],
)
def test_every_failure_is_reported_once_and_saved_in_the_run(
    cohort: Cohort,
    banks: jobs.JobSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
    named: type[BaseException],
    told: str,
) -> None:
    def fail(*arguments: object) -> None:
        raise failure

    monkeypatch.setattr(MimObjective, "loss", fail)
    run, heard = Run(tmp_path / "run"), Listener()
    with pytest.raises(named):
        jobs.pretrain(cohort, mim(), run, split=SPLIT, settings=banks, on_event=heard)
    assert heard.end.outcome is Outcome.FAILED
    assert told in str(heard.end.problems[0])
    assert state(run)["state"] == "failed"
    assert told in state(run)["problems"][0]
    monkeypatch.undo()
    assert jobs.pretrain(cohort, None, run, settings=banks, resume=True) is Outcome.FINISHED
    assert state(run) == {"state": "finished", "problems": []}


def test_a_job_that_fails_before_it_starts_is_reported(
    cohort: Cohort, banks: jobs.JobSettings, story: Story, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    missing = jobs.JobSettings("cuda" if not torch.cuda.is_available() else "mps")
    empty = Run(tmp_path / "none")
    attempts: dict[str, Any] = {
        "device": lambda on: jobs.pretrain(cohort, mim(), Run(tmp_path / "1"), settings=missing, on_event=on),
        "device 2": lambda on: jobs.finetune(
            cohort, segmentation(), Run(tmp_path / "2"), settings=missing, on_event=on
        ),
        "folder": lambda on: jobs.pretrain(
            cohort, mim(), Run(tmp_path / "file" / "run"), settings=banks, on_event=on
        ),
        "recipe": lambda on: jobs.pretrain(cohort, None, Run(tmp_path / "3"), settings=banks, on_event=on),
        "no run": lambda on: jobs.evaluate(empty, cohort, on_event=on),
        "no run 2": lambda on: jobs.segment(empty, [cohort.root / "a.nii.gz"], tmp_path / "o", on_event=on),
        "nothing": lambda on: jobs.segment(story.finetuned, [], tmp_path / "o", on_event=on),
        "unsegmenting": lambda on: jobs.evaluate(story.pretrained, cohort, device="cpu", on_event=on),
    }
    for name, attempt in attempts.items():
        heard = Listener()
        with pytest.raises(CmrSspError):
            attempt(heard)
        assert heard.end.outcome is Outcome.FAILED, name
        assert heard.end.problems, name


def test_a_full_disk_does_not_hide_the_error(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        (tmp_path / "run" / "state.json").unlink()
        (tmp_path / "run" / "state.json").mkdir()  # which no file can replace
        raise RuntimeError("the first fault")

    monkeypatch.setattr(MimObjective, "loss", fail)
    heard = Listener()
    with pytest.raises(RuntimeError, match="the first fault"):
        jobs.pretrain(cohort, mim(), Run(tmp_path / "run"), split=SPLIT, settings=banks, on_event=heard)
    assert heard.end.outcome is Outcome.FAILED


# ---- stopping and resuming ----------------------------------------------------------------------


class StopAfter(Listener):
    """Requests a stop after an update."""

    def __init__(self, update: int) -> None:
        super().__init__()
        self.update, self.cancel = update, Cancel()

    def __call__(self, event: Any) -> None:
        super().__call__(event)
        if isinstance(event, UpdateFinished) and event.update == self.update:
            self.cancel.request()


def train_stage(
    stage: str, cohort: Cohort, run: Run, source: Run, settings: jobs.JobSettings, **more: Any
) -> Outcome:
    changes = {"updates": 5, "checkpoint_every": 2, "optimiser": {"name": "adamw", "learning_rate": 0.01}}
    if stage == "pretrain":
        recipe = None if more.get("resume") else mim(**changes)
        return jobs.pretrain(cohort, recipe, run, split=SPLIT, settings=settings, **more)
    segmenting = None if more.get("resume") else segmentation(**changes)
    budget = None if more.get("resume") else jobs.LabelBudget(3)
    return jobs.finetune(cohort, segmenting, run, pretrained=source, budget=budget, settings=settings, **more)


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_stopped_job_is_continued_bit_for_bit(
    cohort: Cohort, banks: jobs.JobSettings, story: Story, tmp_path: Path, stage: str
) -> None:
    whole, parts = Run(tmp_path / "whole"), Run(tmp_path / "parts")
    train_stage(stage, cohort, whole, story.pretrained, banks)
    listener = StopAfter(3)
    more = {"on_event": listener, "cancel": listener.cancel}
    assert train_stage(stage, cohort, parts, story.pretrained, banks, **more) is Outcome.STOPPED
    assert listener.end.outcome is Outcome.STOPPED
    assert state(parts)["state"] == "stopped"
    torch.manual_seed(99)  # whatever happened in between
    assert train_stage(stage, cohort, parts, story.pretrained, banks, resume=True) is Outcome.FINISHED
    for name in ("last.safetensors", "best.safetensors"):
        assert (parts.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    assert measured(parts) == measured(whole)


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_job_stopped_during_preparation_can_be_started_again(
    cohort: Cohort, story: Story, tmp_path: Path, stage: str
) -> None:
    run, cancel, heard = Run(tmp_path / "run"), Cancel(), Listener()
    settings = jobs.JobSettings("cpu", bank_folder=tmp_path / "banks")

    def stop(event: Any) -> None:
        heard(event)
        if isinstance(event, Preparing):
            cancel.request()

    more = {"on_event": stop, "cancel": cancel}
    assert train_stage(stage, cohort, run, story.pretrained, settings, **more) is Outcome.STOPPED
    assert heard.end.outcome is Outcome.STOPPED
    assert not heard.of(RunStarted)
    assert state(run) == {"state": "stopped", "problems": []}
    assert list((tmp_path / "banks").iterdir()) == []
    assert train_stage(stage, cohort, run, story.pretrained, settings) is Outcome.FINISHED


def test_runs_and_other_files_are_not_overwritten(
    cohort: Cohort, banks: jobs.JobSettings, story: Story, tmp_path: Path
) -> None:
    before = fingerprint(story.finetuned.folder)
    with pytest.raises(RunError, match="already contains a run"):
        jobs.finetune(cohort, segmentation(), story.finetuned, split=SPLIT, settings=banks)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="not empty"):
        jobs.pretrain(cohort, mim(), Run(tmp_path), split=SPLIT, settings=banks)
    with pytest.raises(RunError, match="no run to resume"):
        jobs.pretrain(cohort, None, Run(tmp_path), settings=banks, resume=True)
    assert fingerprint(story.finetuned.folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_that_failed_before_its_first_checkpoint_can_be_started_again(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    with pytest.raises(CohortError):
        jobs.finetune(cohort, segmentation(), run, budget=jobs.LabelBudget(99), split=SPLIT, settings=banks)
    assert state(run)["state"] == "failed"
    assert jobs.finetune(cohort, segmentation(), run, split=SPLIT, settings=banks) is Outcome.FINISHED


def test_incomplete_files_of_a_killed_process_are_removed(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path
) -> None:
    run, half = Run(tmp_path), tmp_path / ".last.safetensors.0a1b2c3d.tmp"
    half.write_bytes(b"half a checkpoint")
    jobs.pretrain(cohort, mim(), run, split=SPLIT, settings=banks)
    assert not half.exists()
    half.write_bytes(b"half a checkpoint")
    (tmp_path / ".notes.tmp").write_text("mine")
    jobs.pretrain(cohort, None, run, settings=banks, resume=True)
    assert not half.exists()
    assert (tmp_path / ".notes.tmp").exists()


def test_a_run_is_resumed_with_the_same_recipe_and_data(
    cohort: Cohort, banks: jobs.JobSettings, tmp_path: Path, story: Story
) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "ab")
    listed, split = open_cohort(folder), Split(dict.fromkeys("ab", Role.TRAIN))
    run, listener = Run(tmp_path / "run"), StopAfter(1)
    jobs.pretrain(listed, mim(), run, split=split, settings=banks, on_event=listener, cancel=listener.cancel)
    with pytest.raises(RunError, match=r"(?s)batch_size 4, not 8.*seed 0, not 3"):
        jobs.pretrain(listed, mim(batch_size=8, seed=3), run, settings=banks, resume=True)
    with pytest.raises(RunError, match="pretraining run"):
        jobs.finetune(listed, None, run, settings=banks, resume=True)
    with pytest.raises(RunError, match="not a pretraining run"):
        jobs.pretrain(cohort, None, story.finetuned, settings=banks, resume=True)
    kept = (folder / "b.nii.gz").read_bytes()
    write_beating_cohort(folder, "ab", seed=7)
    with pytest.raises(RunError, match=r"other images of a, b"):
        jobs.pretrain(open_cohort(folder), None, run, settings=banks, resume=True)
    assert kept != (folder / "b.nii.gz").read_bytes()
    write_beating_cohort(folder, "ab")
    assert jobs.pretrain(open_cohort(folder), None, run, settings=banks, resume=True) is Outcome.FINISHED


def test_a_cancelled_evaluation_is_reported_as_stopped(story: Story, cohort: Cohort) -> None:
    cancel, heard = Cancel(), Listener()
    cancel.request()
    found = jobs.evaluate(story.finetuned, cohort, device="cpu", on_event=heard, cancel=cancel)
    assert (found.scores, found.outcome) == ((), Outcome.STOPPED)
    assert heard.end.outcome is Outcome.STOPPED


# ---- choosing a recipe --------------------------------------------------------------------------


def test_a_network_of_another_size_is_refused(
    cohort: Cohort, banks: jobs.JobSettings, story: Story, tmp_path: Path
) -> None:
    other = segmentation(network={"channels": (3, 5)})
    run = Run(tmp_path / "run")
    with pytest.raises(CheckpointError, match="other sizes"):
        jobs.finetune(cohort, other, run, pretrained=story.pretrained, settings=banks)
    assert not run.last.exists()


def test_the_preset_follows_the_pretraining() -> None:
    from cmr_ssp.recipes import load_recipe, preset_names

    for name in preset_names():
        if name.startswith("mim/"):
            assert matching_preset(load_recipe(name)) == name.replace("mim/", "finetune/")
    assert matching_preset(None) == "scratch/cpu-small"
    assert matching_preset(None, on_gpu=True) == "scratch/gpu-8gb"
    with pytest.raises(RecipeError, match="no preset"):
        matching_preset(mim())


# ---- segmenting ---------------------------------------------------------------------------------


def test_segment_writes_every_frame_in_the_source_s_geometry(
    story: Story, cohort: Cohort, tmp_path: Path
) -> None:
    sources = [cohort.root / f"{name}.nii.gz" for name in "fg"]
    heard = Listener()
    jobs.segment(story.finetuned, sources, tmp_path / "out", device="cpu", on_event=heard)
    assert heard.end.outcome is Outcome.FINISHED
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"f_seg.nii.gz", "g_seg.nii.gz"}
    for source in sources:
        found, cine = nib.load(tmp_path / "out" / f"{source.name[0]}_seg.nii.gz"), nib.load(source)
        assert found.shape == cine.shape == (COLUMNS, ROWS, SLICES, FRAMES)
        assert np.array_equal(found.affine, cine.affine)
        assert set(np.unique(found.dataobj)) <= {0, 1, 2, 3}


def test_a_second_exam_does_not_overwrite_the_first_result(story: Story, tmp_path: Path) -> None:
    exams = [save_exam(tmp_path / name, siemens(study_seed=name)) for name in ("Doe^Jane", "19610203")]
    out = tmp_path / "out"
    jobs.segment(story.finetuned, exams[:1], out, device="cpu")
    first = fingerprint(out)
    jobs.segment(story.finetuned, exams[1:], out, device="cpu")
    assert {path.name for path in out.iterdir()} == {f"{exam_id(exam)}_seg.nii.gz" for exam in exams}
    assert first.items() <= fingerprint(out).items()


def test_a_failed_run_stores_no_folder_names(tmp_path: Path) -> None:
    folder = write_beating_cohort(tmp_path / "Doe^Jane 19610203", "ab")
    cohort, run = open_cohort(folder), Run(tmp_path / "run")
    (folder / "a.nii.gz").write_bytes(b"damaged")
    (folder / "b.nii.gz").unlink()
    with pytest.raises(CmrSspError):
        jobs.pretrain(cohort, mim(), run, split=Split(dict.fromkeys("ab", Role.TRAIN)))
    kept = (tmp_path / "run" / "state.json").read_text()
    assert "a.nii.gz: " in kept
    assert not any(part in kept for part in ("Doe", "1961", str(tmp_path)))


def test_one_cine_can_be_written_to_a_file_in_acdc_numbering(
    story: Story, cohort: Cohort, tmp_path: Path
) -> None:
    source = cohort.root / "f.nii.gz"
    ours, acdc = tmp_path / "ours.nii.gz", tmp_path / "new" / "acdc.nii"
    jobs.segment(story.finetuned, [source], ours, device="cpu")
    jobs.segment(story.finetuned, [source], acdc, device="cpu", numbering="acdc")
    first, second = (np.asarray(nib.load(path).dataobj) for path in (ours, acdc))
    assert np.array_equal(np.array([0, 3, 2, 1])[first], second)
    jobs.segment(story.finetuned, [source], ours, device="cpu")  # our own file may be replaced


def test_a_3d_volume_is_one_frame_with_a_warning_about_the_heart(
    story: Story, cohort: Cohort, tmp_path: Path
) -> None:
    cine = nib.load(cohort.root / "f.nii.gz")
    path = save(tmp_path / "volume.nii.gz", np.asarray(cine.dataobj)[..., 0], cine.affine)
    heard = Listener()
    jobs.segment(story.finetuned, [path], tmp_path / "out.nii.gz", device="cpu", on_event=heard)
    assert nib.load(tmp_path / "out.nii.gz").shape == (COLUMNS, ROWS, SLICES)
    assert any("volume.nii.gz" in notice.problem.where for notice in heard.of(Noticed))


def test_all_unreadable_cines_are_named_before_segmenting(
    story: Story, cohort: Cohort, tmp_path: Path
) -> None:
    good = cohort.root / "f.nii.gz"
    text, truncated = tmp_path / "text.nii.gz", tmp_path / "cut.nii.gz"
    text.write_text("hello")
    truncated.write_bytes(good.read_bytes()[:60])
    missing = tmp_path / "missing.nii.gz"
    out = tmp_path / "out"
    with pytest.raises(ImageError) as caught:
        jobs.segment(story.finetuned, [good, text, truncated, missing], out, device="cpu")
    assert {Path(problem.where).name for problem in caught.value.problems} == {
        "text.nii.gz",
        "cut.nii.gz",
        "missing.nii.gz",
    }
    assert not out.exists()


def test_neither_cines_nor_results_are_overwritten(story: Story, cohort: Cohort, tmp_path: Path) -> None:
    cine = tmp_path / "f.nii.gz"
    shutil.copy(cohort.root / "f.nii.gz", cine)
    before = cine.read_bytes()
    for output, error in ((cine, "image that was segmented"), (tmp_path / "plain.txt" / "x", "cannot be")):
        (tmp_path / "plain.txt").write_text("mine")
        with pytest.raises(OutputError, match=error):
            jobs.segment(story.finetuned, [cine], output, device="cpu")
    with pytest.raises(OutputError, match="same name"):
        jobs.segment(story.finetuned, [cine, cohort.root / "f.nii.gz"], tmp_path / "out", device="cpu")
    with pytest.raises(OutputError, match="one file for 2 cines"):
        jobs.segment(story.finetuned, [cine, cohort.root / "g.nii.gz"], tmp_path / "o.nii.gz", device="cpu")
    assert cine.read_bytes() == before
    assert (tmp_path / "plain.txt").read_text() == "mine"


def test_a_truncated_stream_is_found_when_it_is_read(story: Story, tmp_path: Path, cohort: Cohort) -> None:
    content = gzip.decompress((cohort.root / "f.nii.gz").read_bytes())
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(gzip.compress(content)[:-200])
    heard = Listener()
    with pytest.raises(ImageError, match=r"cut\.nii\.gz"):
        jobs.segment(story.finetuned, [cut], tmp_path / "out.nii.gz", device="cpu", on_event=heard)
    assert heard.end.outcome is Outcome.FAILED
    assert not (tmp_path / "out.nii.gz").exists()


def test_a_segmentation_network_has_the_shape_of_its_recipe(story: Story) -> None:
    network = UNet((3, 4), 4, deep_supervision=True)
    network.load_state_dict(load_checkpoint(story.finetuned.last).network)
