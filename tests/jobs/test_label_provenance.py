"""Scores against labels that descend from a run, and training on test subjects."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.cli import main
from cmr_ssp.errors import CohortError, RunError
from cmr_ssp.evaluation import SubjectRole, read_scores
from cmr_ssp.events import Cancel, Noticed, Outcome, UpdateFinished
from cmr_ssp.files import (
    add_version,
    list_versions,
    open_cohort,
    read_segmentation,
    resolve_subject,
    with_label_versions,
)
from cmr_ssp.recipes import recipe_yaml
from cmr_ssp.runs import Provenance, Run, file_digest, stored_scores
from cmr_ssp.runs.listing import list_runs
from cmr_ssp.subjects import Cohort, Origin, Role, Split
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import Listener, segmentation, write_beating_cohort
from files_helpers import fingerprint

SPLIT = Split({"a": Role.TRAIN, "b": Role.TRAIN, "c": Role.TEST, "d": Role.TEST})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abcd"))


def trained(folder: Path, cohort: Cohort, *ids: str, source: Run | None = None, **more: Any) -> Run:
    run = Run(folder)
    jobs.finetune(
        cohort,
        segmentation(method="scratch" if source is None else "finetune"),
        run,
        pretrained=source,
        budget=jobs.LabelBudget(list(ids), allow_test=more.pop("allow_test", False)),
        split=None if source else SPLIT,
        settings=jobs.JobSettings("cpu"),
        **more,
    )
    return run


@pytest.fixture(scope="module")
def line(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run, Run]:
    """Three runs, each from the previous one."""
    folder = tmp_path_factory.mktemp("runs")
    first = trained(folder / "first", cohort, "a")
    second = trained(folder / "second", cohort, "b", source=first)
    return first, second, trained(folder / "third", cohort, "b", source=second)


def roles(run: Run, cohort: Cohort) -> dict[tuple[str, Phase], SubjectRole]:
    found = jobs.evaluate(run, cohort, device="cpu")
    assert {score.role for score in found.reported} <= {SubjectRole.TEST}
    assert set(found.reported) == {s for s in found.scores if s.role is SubjectRole.TEST}
    return {(score.subject, score.phase): score.role for score in found.scores}


# ---- edit agreement -----------------------------------------------------------------------------


def test_corrections_of_a_run_are_no_test_of_it_or_its_descendants(
    cohort: Cohort, line: tuple[Run, Run, Run], tmp_path: Path
) -> None:
    first, second, third = line
    subject = cohort.subject("c")
    edited = read_segmentation(resolve_subject(subject), Phase.ED)
    made = jobs.add_correction(tmp_path / "labels", subject, Phase.ED, edited, second, device="cpu")
    assert made.checkpoints == (file_digest(second.last),)
    (kept, _), _ = list_versions(tmp_path / "labels")
    assert (kept.origin, kept.frame, kept.checkpoints) == (Origin.PREDICTED, edited.frame, made.checkpoints)
    with_edits = with_label_versions(cohort, tmp_path / "labels")
    expected = {
        first: SubjectRole.TEST,
        second: SubjectRole.EDIT_AGREEMENT,
        third: SubjectRole.EDIT_AGREEMENT,
    }
    for run, role in expected.items():
        found = roles(run, with_edits)
        assert found["c", Phase.ED] is role
        assert found["c", Phase.ES] is found["d", Phase.ED] is SubjectRole.TEST
    assert load_checkpoint(third.last).provenance.lineage == (
        file_digest(second.last),
        file_digest(first.last),
    )
    stored = {(s.subject, s.phase): s.role for s in stored_scores(third)}
    assert stored["c", Phase.ED] is SubjectRole.EDIT_AGREEMENT
    (listed,) = [run for run in list_runs(third.folder.parent) if run.folder == third.folder]
    assert listed.n_test_subjects == 2  # c still has ES
    told: list[jobs.SegmentedSubject] = []
    jobs.segment_subjects(third, [with_edits.subject("c")], device="cpu", on_found=told.append)
    assert {s.role for s in told[0].scores if s.phase is Phase.ED} == {SubjectRole.EDIT_AGREEMENT}


def test_the_first_prediction_is_kept_with_later_corrections(
    cohort: Cohort, line: tuple[Run, Run, Run], tmp_path: Path
) -> None:
    folder, subject = tmp_path / "labels", cohort.subject("c")
    edited = read_segmentation(resolve_subject(subject), Phase.ES)
    jobs.add_correction(folder, subject, Phase.ES, edited, line[0], device="cpu")
    before = fingerprint(folder)
    predicted = jobs.predict_frame(line[0], subject, edited.frame, "cpu")
    jobs.add_correction(folder, subject, Phase.ES, edited, line[1], prediction=predicted)
    assert before.items() <= fingerprint(folder).items()
    assert sorted(path.name for path in (folder / "c" / "ES").glob("*.gz")) == [
        f"v00{n}.nii.gz" for n in range(3)
    ]
    assert roles(line[0], with_label_versions(cohort, folder))["c", Phase.ES] is SubjectRole.EDIT_AGREEMENT


def test_training_on_a_correction_counts_as_trained_on(
    cohort: Cohort, line: tuple[Run, Run, Run], tmp_path: Path
) -> None:
    folder, subject = tmp_path / "labels", cohort.subject("b")
    edited = read_segmentation(resolve_subject(subject), Phase.ED)
    jobs.add_correction(folder, subject, Phase.ED, edited, line[0], prediction=edited)
    with_edits = with_label_versions(cohort, folder)
    assert roles(line[0], with_edits)["b", Phase.ED] is SubjectRole.EDIT_AGREEMENT  # else it were the pool
    assert roles(line[1], with_edits)["b", Phase.ED] is SubjectRole.TRAINED_ON


def test_a_continued_run_keeps_its_earlier_checkpoint_in_the_lineage(cohort: Cohort, tmp_path: Path) -> None:
    cancel = Cancel()

    def stop(event: object) -> None:
        if isinstance(event, UpdateFinished) and event.update == 1:
            cancel.request()

    run = trained(tmp_path / "run", cohort, "a", on_event=stop, cancel=cancel)
    subject, early = cohort.subject("c"), file_digest(run.last)
    edited = read_segmentation(resolve_subject(subject), Phase.ED)
    jobs.add_correction(tmp_path / "labels", subject, Phase.ED, edited, run, prediction=edited)
    settings = jobs.JobSettings("cpu")
    assert jobs.finetune(cohort, None, run, settings=settings, resume=True) is Outcome.FINISHED
    assert file_digest(run.last) != early
    with_edits = with_label_versions(cohort, tmp_path / "labels")
    child = trained(tmp_path / "child", cohort, "b", source=run)
    for descendant in (run, child):
        assert roles(descendant, with_edits)["c", Phase.ED] is SubjectRole.EDIT_AGREEMENT
    run.earlier.write_text("not a digest")
    with pytest.raises(RunError, match=r"earlier\.txt"):
        jobs.evaluate(run, with_edits, device="cpu")


def test_provenance_of_older_checkpoints_is_read() -> None:
    old = {"training": {"a": "1"}, "pretrained_from": "x"}
    assert Provenance.from_dict(old).lineage == ("x",)
    new = Provenance(pretrained_from="x", ancestors=("y", "x"), trained_on_test=("t",))
    assert Provenance.from_dict(new.as_dict()) == new
    assert new.lineage == ("x", "y")


# ---- training on test subjects ------------------------------------------------------------------


def test_training_on_a_test_subject_needs_permission_and_ends_its_role(
    cohort: Cohort, line: tuple[Run, Run, Run], tmp_path: Path
) -> None:
    first = line[0]
    with pytest.raises(CohortError, match="c: is a test subject"):
        trained(tmp_path / "refused", cohort, "a", "c", source=first)
    heard = Listener()
    run = trained(tmp_path / "run", cohort, "a", "c", source=first, allow_test=True, on_event=heard)
    (told,) = [e for e in heard.of(Noticed) if "of the test set" in e.problem.what]
    assert told.problem.severity == "warning"
    assert load_checkpoint(run.last).provenance.trained_on_test == ("c",)
    assert run.split().role("c") is Role.TRAIN
    assert run.split().role("d") is Role.TEST
    assert first.split() == SPLIT
    found = roles(run, cohort)
    assert found["c", Phase.ED] is found["c", Phase.ES] is SubjectRole.TRAINED_ON
    assert {subject for (subject, _), role in found.items() if role is SubjectRole.TEST} == {"d"}
    child = trained(tmp_path / "child", cohort, "b", source=run)
    assert child.split().role("c") is Role.TRAIN
    assert roles(child, cohort)["c", Phase.ED] is SubjectRole.SEEN_IN_PRETRAINING
    assert roles(first, cohort)["c", Phase.ED] is SubjectRole.TEST


def test_permission_does_not_add_unnamed_test_subjects(cohort: Cohort) -> None:
    budget = jobs.LabelBudget(allow_test=True)
    assert set(budget.choose(cohort, SPLIT).training) == {"a", "b"}
    assert jobs.test_subjects(budget, cohort, SPLIT, None) == ()
    named = jobs.LabelBudget({"c": [Phase.ED], "a": [Phase.ED]})
    assert jobs.test_subjects(named, cohort, SPLIT, None) == ("c",)


@pytest.mark.parametrize(
    ("answer", "flags", "code"),
    [("y", [], 0), ("n", [], 1), (None, [], 1), (None, ["--train-on-test"], 0)],
)
def test_the_command_line_asks_in_a_terminal_only(
    cohort: Cohort,
    line: tuple[Run, Run, Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
    flags: list[str],
    code: int,
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe_yaml(segmentation()))
    asked: list[str] = []

    def reply(*_: object, **__: object) -> str:
        asked.append("")
        assert answer is not None
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: answer is not None, raising=False)
    monkeypatch.setattr("rich.console.Console.input", reply)
    run = Run(tmp_path / "run")
    words = ["finetune", cohort.root, "--from", line[0].folder, "--run", run.folder, "--subjects", "c"]
    words += ["--recipe", recipe, "--device", "cpu", *flags]
    try:
        main([str(word) for word in words])
        ended = 0
    except SystemExit as end:
        ended = int(end.code or 0)
    assert ended == code
    assert bool(asked) == (answer is not None)
    assert run.last.exists() == (code == 0)


def test_labels_folder_on_the_command_line(
    cohort: Cohort, line: tuple[Run, Run, Run], tmp_path: Path
) -> None:
    folder, subject = tmp_path / "labels", cohort.subject("c")
    own = read_segmentation(resolve_subject(subject), Phase.ED)
    edited = replace(own, frame=1)
    add_version(
        folder, subject, Phase.ED, edited, origin=Origin.CORRECTED, checkpoint="e" * 64, prediction=edited
    )
    run, csv = line[0].folder, tmp_path / "scores.csv"
    words = ["labels", "add", folder / "c" / "ED" / "v001.nii.gz", "--cohort", cohort.root, "--subject", "d"]
    words += ["--labels", folder, "--phase", "ED", "--frame", 0, "--corrected-from", run, "--device", "cpu"]
    for arguments in (words, ["evaluate", run, cohort.root, "--csv", csv, "--labels", folder]):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in arguments])
            raise SystemExit(0)
        assert not ended.value.code
    rows = {(score.subject, score.phase, score.structure): score.role for score in read_scores(csv)}
    assert rows["d", Phase.ED, Structure.LV] is SubjectRole.EDIT_AGREEMENT
    assert rows["d", Phase.ES, Structure.LV] is SubjectRole.TEST
    # Subject c's labels were corrected from a run that this one does not descend from.
    assert rows["c", Phase.ED, Structure.LV] is SubjectRole.TEST
