"""Reading score tables, and the tables that jobs save in a run."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from pathlib import Path

import pytest
from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.cli import main
from cmr_ssp.errors import OutputError, RunError, ScoreError
from cmr_ssp.evaluation import ResultMetadata, Score, SubjectRole, read_scores, scores_csv
from cmr_ssp.events import Cancel, Noticed, Outcome, Preparing, UpdateFinished
from cmr_ssp.files import open_cohort, open_stack
from cmr_ssp.runs import Run, file_digest, scores, store_scores, stored_scores
from cmr_ssp.subjects import Cohort, Role, Split
from cohort_helpers import Listener, segmentation, write_beating_cohort

SPLIT = Split({"a": Role.TRAIN, "b": Role.TEST, "c": Role.TEST})


def score(subject: str, value: float | None, structure: Structure = Structure.LV) -> Score:
    return Score(subject, Phase.ES, structure, value, SubjectRole.TEST)


# ---- reading ------------------------------------------------------------------------------------


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    every = [
        Score(subject, phase, structure, value, role, metadata)
        for subject in ("a", 'comma, "quote"', "line\r\nbreak", "größe", "007")
        for phase in Phase
        for structure, value in zip(Structure, (0.1234, None, 1.0), strict=True)
        for role in SubjectRole
        for metadata in (
            ResultMetadata(),
            ResultMetadata.of((8.0, 1 / 3, 2 / 3), "c" * 64, "r" * 16, "p" * 64),
        )
    ]
    path = tmp_path / "scores.csv"
    path.write_bytes(scores_csv(every).encode())
    assert read_scores(path) == tuple(every)
    path.write_text(scores_csv(()))
    assert read_scores(path) == ()


def test_a_table_of_an_earlier_version_is_read_and_written_in_the_new_form(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.scores.write_text(f"{GOOD}a,ES,LV,0.2500,test\n")
    assert stored_scores(run) == (score("a", 0.25),)
    newer = dataclasses.replace(
        score("b", 0.5), metadata=ResultMetadata.of((10, 1.25, 1.25), "c" * 64, "r", "p" * 64)
    )
    store_scores(run, [newer])
    assert stored_scores(run) == (score("a", 0.25), newer)


GOOD = "subject,phase,structure,dice,role\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\xff",
        b"subject,dice\na,0.5\n",
        *(
            f"{GOOD}{row}\n".encode()
            for row in (
                "a,ED,LV,0.5",
                "a,ED,LV,0.5,test,more",
                "a,systole,LV,0.5,test",
                "a,ED,aorta,0.5,test",
                "a,ED,LV,good,test",
                "a,ED,LV,,test",
                "a,ED,LV,nan,test",
                "a,ED,LV,1.01,test",
                "a,ED,LV,0.5,friend",
                "a,ED,LV,0.5,test,8,1.5,1.5,c,r,p",  # more cells than columns
                '"a,ED,LV,0.5,test',
                "",
            )
        ),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(content)
    with pytest.raises(ScoreError, match=r"scores\.csv"):
        read_scores(path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match=r"scores\.csv"):
        read_scores(tmp_path / "scores.csv")


# ---- in a run -----------------------------------------------------------------------------------


def test_the_newest_score_of_a_structure_is_kept(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert stored_scores(run) == ()
    store_scores(run, [score("b", 0.5), score("a", 0.25), score("a", None, Structure.RV)])
    store_scores(run, [score("b", 0.75), score("a", 0.125, Structure.MYO)])
    assert stored_scores(run) == (
        score("a", 0.25),
        score("a", 0.125, Structure.MYO),
        score("a", None, Structure.RV),
        score("b", 0.75),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_scores_without_a_recipe_are_not_a_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    store_scores(run, [score("a", 0.5)])
    with pytest.raises(RunError, match="is not a run"):
        run.split()
    cohort = open_cohort(write_beating_cohort(tmp_path / "cohort", "abc"))
    recipe = segmentation(method="scratch")
    with pytest.raises(RunError, match="not empty"):  # else another run's scores would pass as its own
        jobs.finetune(cohort, recipe, run, split=SPLIT, settings=jobs.JobSettings("cpu"))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path / "cohort", "abc"))


def trained(
    folder: Path, cohort: Cohort, listener: Listener, cancel: Cancel | None = None, seed: int = 0
) -> Run:
    run = Run(folder)
    recipe = segmentation(method="scratch", updates=20, checkpoint_every=20, seed=seed)
    settings = jobs.JobSettings("cpu")
    jobs.finetune(cohort, recipe, run, split=SPLIT, settings=settings, on_event=listener, cancel=cancel)
    return run


def rounded(found: tuple[Score, ...]) -> list[Score]:
    digits = {"dice": 4, "hd95_mm": 3, "assd_mm": 3}
    known = [{name: getattr(s, name) for name in digits if getattr(s, name) is not None} for s in found]
    return [
        dataclasses.replace(s, **{name: round(value, digits[name]) for name, value in values.items()})
        for s, values in zip(found, known, strict=True)
    ]


def test_evaluating_and_segmenting_save_their_scores_in_the_run(cohort: Cohort, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", cohort, Listener())
    first = jobs.evaluate(run, cohort.select("ab"), phases=[Phase.ED], device="cpu")
    assert list(stored_scores(run)) == rounded(first.scores)
    jobs.segment_subjects(run, cohort.select("bc").subjects, device="cpu")
    kept = stored_scores(run)
    assert {(s.subject, s.phase) for s in kept} == {
        ("a", Phase.ED),
        *((subject, phase) for subject in "bc" for phase in Phase),
    }
    assert {s.subject: s.role for s in kept} == {
        "a": SubjectRole.TRAINED_ON,
        "b": SubjectRole.TEST,
        "c": SubjectRole.TEST,
    }


def test_scores_of_two_runs_join_without_the_names_of_folders(cohort: Cohort, tmp_path: Path) -> None:
    one, two = (trained(tmp_path / f"run{seed}", cohort, Listener(), seed=seed) for seed in (0, 1))
    moved = Run(shutil.copytree(one.folder, tmp_path / "renamed"))
    renamed = open_cohort(write_beating_cohort(tmp_path / "renamed cohort", "pqr"))  # the same images
    of_one, of_moved = (jobs.evaluate(each, cohort, device="cpu").scores for each in (one, moved))
    of_two = jobs.evaluate(two, renamed, device="cpu").scores
    assert of_one == of_moved
    assert {s.metadata.run for s in of_one} != {s.metadata.run for s in of_two}
    assert {s.metadata.checkpoint for s in of_one} == {file_digest(one.last)[:16]}
    assert [s.metadata.cine for s in of_one] == [s.metadata.cine for s in of_two]
    assert len({s.metadata.cine for s in of_one}) == len({s.subject for s in of_one})
    spacing_mm = open_stack(cohort.subjects[0]).grid.spacing_mm
    assert of_one[0].metadata.spacing_mm == pytest.approx(spacing_mm, rel=1e-5)
    (history,) = {row["run"] for row in one.read_history()}
    assert {history} == {s.metadata.run for s in of_one}


def test_volumes_of_a_segmentation_join_its_scores(cohort: Cohort, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", cohort, Listener())
    (subject,) = cohort.select("b").subjects
    jobs.segment_subjects(run, [subject], device="cpu", output=tmp_path)
    table = tmp_path / "volumes.csv"
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["volumes", str(tmp_path / "b_seg.nii.gz"), "--csv", str(table)])
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(subject.frames)
    metadata = stored_scores(run)[0].metadata
    assert {(row["cine"], row["checkpoint"]) for row in rows} == {(metadata.cine, metadata.checkpoint)}


def test_scores_before_a_stop_or_an_error_are_kept(cohort: Cohort, tmp_path: Path) -> None:
    run, cancel = trained(tmp_path / "run", cohort, Listener()), Cancel()
    stopped = jobs.evaluate(run, cohort, device="cpu", on_event=lambda _: cancel.request(), cancel=cancel)
    assert stopped.outcome is Outcome.STOPPED
    assert {s.subject for s in stored_scores(run)} == {"a"}
    (cohort.root / "c.nii.gz").write_bytes(b"")
    with pytest.raises(Exception, match=r"c\.nii\.gz"):
        jobs.segment_subjects(run, cohort.subjects[1:], device="cpu")
    assert {s.subject for s in stored_scores(run)} == {"a", "b"}


def test_a_damaged_table_is_reported_before_the_work(cohort: Cohort, tmp_path: Path) -> None:
    run, heard = trained(tmp_path / "run", cohort, Listener()), Listener()
    run.scores.write_text("years of work")
    with pytest.raises(ScoreError):
        jobs.evaluate(run, cohort, device="cpu", on_event=heard)
    with pytest.raises(ScoreError):
        jobs.segment_subjects(run, cohort.subjects, device="cpu", on_event=heard)
    assert not heard.of(Preparing)
    assert run.scores.read_text() == "years of work"


def test_a_run_that_may_not_be_written_to_can_still_be_scored(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, heard = trained(tmp_path / "run", cohort, Listener()), Listener()

    def refuse(path: Path, text: str) -> None:
        raise OutputError.of(path, "it cannot be written", "Choose another folder.")

    monkeypatch.setattr(scores, "write_text", refuse)
    found = jobs.evaluate(run, cohort, device="cpu", on_event=heard)
    assert found.outcome is Outcome.FINISHED
    assert len(found.scores) == 3 * 2 * 3
    (notice,) = heard.of(Noticed)
    assert "scores.csv" in notice.problem.where
    assert notice.problem.severity == "warning"


def test_continued_training_removes_the_scores_of_earlier_weights(cohort: Cohort, tmp_path: Path) -> None:
    cancel = Cancel()

    class Stop(Listener):
        def __call__(self, event: object) -> None:
            if isinstance(event, UpdateFinished) and event.update == 3:
                cancel.request()

    run = trained(tmp_path / "run", cohort, Stop(), cancel)
    settings = jobs.JobSettings("cpu")
    for kept in (False, True):  # the second time it has finished, and nothing changes
        jobs.evaluate(run, cohort, device="cpu")
        assert run.scores.exists() and run.function.exists()
        jobs.finetune(cohort, None, run, settings=settings, resume=True)
        assert run.scores.exists() == run.function.exists() == kept
