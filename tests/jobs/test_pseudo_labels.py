"""Self-training: pseudo-labels train, but count as no label and no reference; test subjects stay shut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError, LabelError, RunError
from cmr_ssp.evaluation import SubjectRole
from cmr_ssp.events import Cancel, Outcome, UpdateFinished
from cmr_ssp.files import open_cohort
from cmr_ssp.finetuning import SegmentationObjective
from cmr_ssp.finetuning.pseudo_labels import PseudoLabels
from cmr_ssp.jobs.pseudo_labelling import PseudoLabelRule, pseudo_label
from cmr_ssp.jobs.scoring import subject_role
from cmr_ssp.jobs.unlabelled import Unlabelled
from cmr_ssp.runs import Run, file_digest
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.subjects import Cohort, Role, Split
from cmr_ssp.training import TrainingLength
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import ED, FRAMES, segmentation, write_beating_cohort

LABELLED, OTHERS, TEST = ("a", "b"), ("c", "d", "e"), "t"
SPLIT = Split({**dict.fromkeys((*LABELLED, *OTHERS), Role.TRAIN), TEST: Role.TEST})
EVERYTHING = PseudoLabelRule(n_frames=3, least_dice=-1.0, most_wrong=10**6)
RECIPE = segmentation(method="scratch", updates=8, checkpoint_every=4)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Two labelled subjects, three others, one with labels nobody may use, and a broken test subject."""
    ids = (*LABELLED, *OTHERS, TEST)
    folder = write_beating_cohort(tmp_path_factory.mktemp("cohort"), ids, labelled=[*LABELLED, "c", TEST])
    listed = open_cohort(folder)
    for file in (f"{TEST}.nii.gz", f"{TEST}_ED_gt.nii.gz"):  # whoever reads more than the header fails
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: len(content) // 2])
    return listed


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> jobs.JobSettings:
    return jobs.JobSettings("cpu", bank_folder=tmp_path_factory.mktemp("banks"), threads=1)


@pytest.fixture(scope="module")
def teacher(cohort: Cohort, settings: jobs.JobSettings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("runs") / "teacher")
    jobs.finetune(cohort, RECIPE, run, budget=jobs.LabelBudget(LABELLED), split=SPLIT, settings=settings)
    return run


@pytest.fixture(scope="module")
def unlabelled(cohort: Cohort, settings: jobs.JobSettings, teacher: Run) -> Unlabelled:
    file = teacher.folder.parent / "pseudo.safetensors"
    assert pseudo_label(teacher, cohort, file, rule=EVERYTHING, settings=settings) is Outcome.FINISHED
    return Unlabelled(cohort, PseudoLabels.read(file))


def train(cohort: Cohort, run: Run, settings: jobs.JobSettings, **more: Any) -> Outcome:
    given = {"budget": jobs.LabelBudget(LABELLED), "split": SPLIT, "settings": settings}
    if more.get("resume"):
        given = {"settings": settings}
    return jobs.finetune(cohort, None if more.get("resume") else RECIPE, run, **given | more)


def test_only_subjects_for_training_without_labels_are_segmented(
    unlabelled: Unlabelled, teacher: Run
) -> None:
    labels = unlabelled.labels
    assert labels.subject_ids == OTHERS
    assert {frame for _, frame in labels.frames} == {round(n * FRAMES / 3) for n in range(3)}
    assert labels.made_by == file_digest(teacher.last)
    assert set(labels.seen) == set(LABELLED)


def test_the_strictest_rule_keeps_nothing_and_counts_it(
    cohort: Cohort, settings: jobs.JobSettings, teacher: Run, tmp_path: Path
) -> None:
    strict = PseudoLabelRule(n_frames=3, least_dice=1.1)
    pseudo_label(teacher, cohort, tmp_path / "none", rule=strict, settings=settings)
    found = PseudoLabels.read(tmp_path / "none")
    assert (len(found.frames), found.n_left_out) == (0, 3 * len(OTHERS))


def test_pseudo_labels_count_as_no_label(
    cohort: Cohort, settings: jobs.JobSettings, unlabelled: Unlabelled, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    assert train(cohort, run, settings, unlabelled=unlabelled) is Outcome.FINISHED
    seen = load_checkpoint(run.last).provenance
    assert set(seen.training) == set(seen.phases) == set(LABELLED)
    assert set(seen.labels) == set(LABELLED)
    assert set(seen.pretraining) == {*LABELLED, *OTHERS}
    assert dict(seen.pseudo_labels) == dict(unlabelled.labels.digests)
    assert unlabelled.labels.made_by in seen.lineage
    printed = unlabelled.labels.fingerprints["c"]
    assert subject_role("c", printed, seen, SPLIT) is SubjectRole.SEEN_IN_PRETRAINING


def test_a_stopped_run_continues_bit_for_bit(
    cohort: Cohort, settings: jobs.JobSettings, unlabelled: Unlabelled, tmp_path: Path
) -> None:
    whole, part, cancel = Run(tmp_path / "whole"), Run(tmp_path / "part"), Cancel()

    def stop(event: object) -> None:
        if isinstance(event, UpdateFinished) and event.update == 3:
            cancel.request()

    train(cohort, whole, settings, unlabelled=unlabelled)
    stopped = train(cohort, part, settings, unlabelled=unlabelled, on_event=stop, cancel=cancel)
    assert stopped is Outcome.STOPPED
    with pytest.raises(RunError, match="was started with pseudo-labels"):
        train(cohort, part, settings, resume=True)
    places = list(unlabelled.labels.frames)
    fewer = {place: unlabelled.labels.frames[place] for place in places[1:]}
    others = replace(unlabelled, labels=replace(unlabelled.labels, frames=fewer))
    with pytest.raises(RunError, match="other pseudo-labels"):
        train(cohort, part, settings, resume=True, unlabelled=others)
    assert train(cohort, part, settings, resume=True, unlabelled=unlabelled) is Outcome.FINISHED
    assert part.last.read_bytes() == whole.last.read_bytes()


def test_they_change_the_network_until_labels_train_alone(
    cohort: Cohort, settings: jobs.JobSettings, unlabelled: Unlabelled, tmp_path: Path
) -> None:
    never = RECIPE.model_copy(
        update={"pseudo_labels": RECIPE.pseudo_labels.model_copy(update={"until": 0.0})}
    )
    weights = {}
    for name, recipe, more in (
        ("plain", RECIPE, None),
        ("never", never, unlabelled),
        ("used", RECIPE, unlabelled),
    ):
        run = Run(tmp_path / name)
        budget = jobs.LabelBudget(LABELLED)
        jobs.finetune(cohort, recipe, run, budget=budget, split=SPLIT, settings=settings, unlabelled=more)
        weights[name] = {
            key: value.numpy().tobytes() for key, value in load_checkpoint(run.last).network.items()
        }
    assert weights["never"] == weights["plain"]
    assert weights["used"] != weights["plain"]


def test_a_batch_has_its_share_of_them(
    cohort: Cohort, settings: jobs.JobSettings, unlabelled: Unlabelled
) -> None:
    bank = slice_bank(cohort.select([*LABELLED, *OTHERS]).subjects, settings.bank_folder)
    bank, others = unlabelled.put_into(bank)
    samples = bank.samples(LABELLED, tuple(Phase))
    objective = SegmentationObjective(bank, samples, (), RECIPE, torch.device("cpu"), others)
    length = TrainingLength.of(RECIPE, len(samples))
    batch = samples[:4]
    mixed = objective.with_others(batch, 0, length)
    assert np.isin(mixed, others).sum() == round(RECIPE.pseudo_labels.share * len(batch))
    assert np.array_equal(mixed, objective.with_others(batch, 0, length))
    assert np.array_equal(objective.with_others(batch, 7, length), batch)
    frame = next(frame for name, frame in unlabelled.labels.frames if name == "c")
    here = bank.samples(["c"])
    first = here[bank.index["frame"][here] == frame][0]
    drawn = bank.labels(first)
    assert drawn is not None
    assert np.array_equal(drawn, unlabelled.labels.frames["c", frame][0])
    assert frame == ED
    assert not len(bank.samples(["c"], [Phase.ED])), "a pseudo-label must not pass for a label"
    assert len(bank.samples(["c"], [Phase.ES]))


@pytest.mark.parametrize(
    ("budget", "split", "what"),
    [
        (("a", "b", "c"), SPLIT, "and labels that train"),
        (LABELLED, Split({**SPLIT.roles, "d": Role.TEST}), "is a test subject"),
        (LABELLED, Split({**SPLIT.roles, "d": Role.VALIDATION}), "is a validation subject"),
    ],
)
def test_subjects_with_another_role_are_refused(
    cohort: Cohort,
    settings: jobs.JobSettings,
    unlabelled: Unlabelled,
    tmp_path: Path,
    budget: tuple[str, ...],
    split: Split,
    what: str,
) -> None:
    with pytest.raises(CohortError, match=what):
        train(
            cohort,
            Run(tmp_path / "run"),
            settings,
            unlabelled=unlabelled,
            budget=jobs.LabelBudget(budget),
            split=split,
        )


def test_another_cine_under_the_same_name_is_refused(
    cohort: Cohort, settings: jobs.JobSettings, unlabelled: Unlabelled, tmp_path: Path
) -> None:
    labels = replace(unlabelled.labels, fingerprints={**unlabelled.labels.fingerprints, "d": "0"})
    with pytest.raises(LabelError, match="d: is not the cine"):
        train(cohort, Run(tmp_path / "run"), settings, unlabelled=replace(unlabelled, labels=labels))


def test_a_file_comes_back_as_it_was_and_a_broken_one_is_named(
    unlabelled: Unlabelled, tmp_path: Path
) -> None:
    path = tmp_path / "labels.safetensors"
    unlabelled.labels.write(path)
    again = PseudoLabels.read(path)
    assert again.digests == unlabelled.labels.digests
    assert (again.made_by, again.ancestors) == (unlabelled.labels.made_by, unlabelled.labels.ancestors)
    path.write_bytes(path.read_bytes()[:100])
    for broken in (path, tmp_path / "none"):
        with pytest.raises(LabelError, match="pseudo-label"):
            PseudoLabels.read(broken)
