"""Segmenting subjects of a cohort: every frame, scores of labelled phases, and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp import jobs
from cmr_ssp.errors import CheckpointError, CohortError, ImageError
from cmr_ssp.events import Cancel, Noticed, Outcome, Preparing
from cmr_ssp.files import open_cine, open_cohort
from cmr_ssp.jobs import SegmentedSubject
from cmr_ssp.prediction import batches
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort, Role, Split, Subject
from cohort_helpers import FRAMES, Listener, mim, segmentation, write_beating_cohort
from files_helpers import fingerprint

UNLABELLED = "d"
SPLIT = Split({"a": Role.TRAIN, "b": Role.TRAIN, "c": Role.TEST, UNLABELLED: Role.TEST})


@pytest.fixture(autouse=True)
def several_batches_a_cine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predict 8 of a cine's 12 slices per batch on every processor."""
    monkeypatch.setattr(batches, "slices_at_once", lambda crop, device: 8)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abcd", labelled="abc"))


@pytest.fixture(scope="module")
def run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run(tmp_path_factory.mktemp("runs") / "scratch")
    budget = jobs.LabelBudget(["a"])
    settings = jobs.JobSettings("cpu")
    # Short, yet long enough to draw something: scores of empty predictions are all alike.
    recipe = segmentation(method="scratch", updates=30, checkpoint_every=30)
    jobs.finetune(cohort, recipe, made, budget=budget, split=SPLIT, settings=settings)
    return made


def segmented(run: Run, subjects: Sequence[Subject], **more: Any) -> tuple[list[SegmentedSubject], Listener]:
    found: list[SegmentedSubject] = []
    heard = Listener()
    jobs.segment_subjects(run, subjects, device="cpu", on_found=found.append, on_event=heard, **more)
    return found, heard


def test_all_frames_are_segmented_and_the_labelled_ones_scored_as_by_evaluate(
    run: Run, cohort: Cohort
) -> None:
    found, heard = segmented(run, cohort.subjects)
    assert [one.subject for one in found] == list(cohort.subjects)
    assert heard.end.outcome is Outcome.FINISHED
    scores = [score for one in found for score in one.scores]
    expected = jobs.evaluate(run, cohort, device="cpu").scores
    assert [replace(score, dice=None) for score in scores] == [
        replace(score, dice=None) for score in expected
    ]
    # Other slices share a batch, which may round the last bit of a probability.
    assert [score.dice for score in scores] == pytest.approx([score.dice for score in expected], abs=0.02)
    assert len({score.dice for score in scores}) > 5
    assert found[-1].scores == ()
    assert found[-1].labels.any()


def test_files_have_the_labels_in_the_geometry_of_the_source(
    run: Run, cohort: Cohort, tmp_path: Path
) -> None:
    before = fingerprint(cohort.root)
    found, heard = segmented(run, cohort.subjects[2:], output=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"c_seg.nii.gz", "d_seg.nii.gz"}
    for one in found:
        path = tmp_path / "out" / f"{one.subject.id}_seg.nii.gz"
        assert np.array_equal(open_cine(path).load(), one.labels)
        assert np.array_equal(nib.load(path).affine, nib.load(one.subject.frames[0].path).affine)
        assert one.labels.dtype == np.uint8
    unsure = [one.subject.id for one in found if not one.heart_sure]
    assert [notice.problem.where for notice in heard.of(Noticed)] == unsure
    assert fingerprint(cohort.root) == before


def test_each_subject_is_passed_on_when_it_is_finished(run: Run, cohort: Cohort) -> None:
    said: list[object] = []
    jobs.segment_subjects(run, cohort.subjects[:2], device="cpu", on_found=said.append, on_event=said.append)
    kinds = [
        one.what if isinstance(one, Preparing) else type(one).__name__
        for one in said
        if not isinstance(one, Noticed)
    ]
    per_subject = ["frames segmented", "frames segmented", "SegmentedSubject", "subjects segmented"]
    assert kinds == [*per_subject, *per_subject, "JobEnded"]
    frames = [(one.done, one.total) for one in said if isinstance(one, Preparing) and "frames" in one.what]
    assert frames == [(FRAMES * 8 // 12, FRAMES), (FRAMES, FRAMES)] * 2


def test_progress_inside_a_cine_counts_both_passes_of_recentring(cohort: Cohort, tmp_path: Path) -> None:
    made = Run(tmp_path / "run")
    recipe = segmentation(method="scratch", prediction={"recentre": True, "flips": True})
    settings = jobs.JobSettings("cpu")
    jobs.finetune(cohort, recipe, made, budget=jobs.LabelBudget(["a"]), split=SPLIT, settings=settings)
    _, heard = segmented(made, cohort.subjects[:1])
    done = [one.done for one in heard.of(Preparing) if one.what == "frames segmented"]
    assert done == [1, 2, 3, 4]


def test_cancelled_in_the_middle_of_a_cine(run: Run, cohort: Cohort, tmp_path: Path) -> None:
    cancel, found = Cancel(), []

    class StopsInTheSecond(Listener):
        def __call__(self, event: Any) -> None:
            super().__call__(event)
            if len([e for e in self.of(Preparing) if e.what == "frames segmented"]) == 3:
                cancel.request()

    listener = StopsInTheSecond()
    outcome = jobs.segment_subjects(
        run,
        cohort.subjects,
        device="cpu",
        output=tmp_path,
        on_found=found.append,
        on_event=listener,
        cancel=cancel,
    )
    assert outcome is listener.end.outcome is Outcome.STOPPED
    assert [one.subject.id for one in found] == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["a_seg.nii.gz"]


def test_segment_can_be_cancelled_within_a_cine(run: Run, cohort: Cohort, tmp_path: Path) -> None:
    cancel = Cancel()
    done = jobs.segment(
        run,
        [cohort.root / "a.nii.gz"],
        tmp_path / "out",
        device="cpu",
        on_event=lambda event: cancel.request() if isinstance(event, Preparing) else None,
        cancel=cancel,
    )
    assert done.outcome is Outcome.STOPPED
    assert done.files == ()
    assert not (tmp_path / "out").exists()


def test_unreadable_subjects_are_named_at_the_end(run: Run, tmp_path: Path) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "pqr")
    listed = open_cohort(folder)
    (folder / "p.nii.gz").write_bytes((folder / "p.nii.gz").read_bytes()[:-300])
    (folder / "q_ES_gt.nii.gz").write_bytes(b"no label")
    found: list[SegmentedSubject] = []
    heard = Listener()
    with pytest.raises(ImageError) as caught:
        jobs.segment_subjects(run, listed.subjects, device="cpu", on_found=found.append, on_event=heard)
    assert {Path(problem.where).name for problem in caught.value.problems} == {"p.nii.gz", "q_ES_gt.nii.gz"}
    assert [one.subject.id for one in found] == ["r"]
    assert heard.end.outcome is Outcome.FAILED


@pytest.mark.parametrize("bad", ["../a", "a/b", "a\\b", "..", "", ".hidden", "c:a"])
def test_ids_that_are_unsafe_as_file_names_are_refused(
    run: Run, cohort: Cohort, tmp_path: Path, bad: str
) -> None:
    stranger = replace(cohort.subjects[0], id=bad)
    with pytest.raises(CohortError, match="cannot be part of a file name"):
        segmented(run, [stranger], output=tmp_path / "in" / "out")
    assert not (tmp_path / "in").exists()


def test_no_subjects_and_duplicate_subjects_are_refused(run: Run, cohort: Cohort) -> None:
    with pytest.raises(CohortError, match="no subject"):
        segmented(run, [])
    with pytest.raises(CohortError, match="'a': is the id of 2 subjects"):
        segmented(run, [cohort.subjects[0], cohort.subjects[0]])


def test_a_file_of_another_program_is_kept_beside_the_new_one(
    run: Run, cohort: Cohort, tmp_path: Path
) -> None:
    (tmp_path / "a_seg.nii.gz").write_text("mine")
    (one,), heard = segmented(run, cohort.subjects[:1], output=tmp_path)
    assert one.file == tmp_path / "a-2_seg.nii.gz"
    assert (tmp_path / "a_seg.nii.gz").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir() if "-2" in p.name] == ["a-2_seg.nii.gz"]
    assert any("not a segmentation of this program" in notice.problem.what for notice in heard.of(Noticed))


def test_a_pretrained_network_does_not_segment_subjects(cohort: Cohort, tmp_path: Path) -> None:
    made = Run(tmp_path / "mim")
    jobs.pretrain(cohort, mim(), made, split=SPLIT, settings=jobs.JobSettings("cpu"))
    with pytest.raises(CheckpointError, match="does not segment"):
        segmented(made, cohort.subjects)
