"""Bringing in a run that was trained elsewhere: complete, checked and without images, or not at all."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cmr_ssp import jobs
from cmr_ssp.errors import CmrSspError, OutputError
from cmr_ssp.events import Cancel, Outcome, Preparing
from cmr_ssp.files import open_cohort
from cmr_ssp.runs import Run, list_runs, read_checkpoint_header, run_id
from cmr_ssp.runs.header import FORMAT
from cmr_ssp.weights import load_checkpoint, save_checkpoint
from cohort_helpers import Listener, mim, segmentation, write_beating_cohort

RUNS = "runs"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a trained run, a pretraining, and one that knows only phantoms."""
    place = tmp_path_factory.mktemp("colleague")
    settings = jobs.JobSettings("cpu", bank_folder=place / "banks", data_licence="ACDC: CC BY-NC-SA 4.0")
    cohort = open_cohort(write_beating_cohort(place / "cohort", "abcd"))
    budget, recipe = jobs.LabelBudget(2), segmentation(method="scratch")
    jobs.finetune(cohort, recipe, Run(place / "our model"), budget=budget, settings=settings)
    jobs.pretrain(cohort, mim(), Run(place / "pretrained"), settings=settings)
    phantoms = open_cohort(write_beating_cohort(place / "phantoms", ["phantom-001", "phantom-002"]))
    jobs.finetune(phantoms, recipe, Run(place / "synthetic"), settings=settings)
    return place


@pytest.fixture
def theirs(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the trained run, with what shows patients."""
    run = tmp_path / "theirs" / "our model"
    shutil.copytree(trained / "our model", run)
    for name in ("segmentations", "records", "segmentations-best"):
        (run / name).mkdir()
        (run / name / "patient_seg.nii.gz").write_bytes(b"image")
    (run / "note.txt").write_text("of Ann", encoding="utf-8")
    return run


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def zipped(folder: Path, *, root: str = "our model/") -> Path:
    archive = folder.parent / "sent.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for name, data in content(folder).items():
            target.writestr(root + name, data)
    return archive


def refused(place: Path, workspace: Path) -> list[str]:
    """Bring in a run that is refused; return all problems. Nothing remains."""
    listener = Listener()
    with pytest.raises(CmrSspError) as caught:
        jobs.bring_in(place, workspace / RUNS, on_event=listener)
    assert listener.end.outcome is Outcome.FAILED
    assert not (workspace / RUNS).exists() or not list((workspace / RUNS).iterdir())
    assert all("arriving" not in str(problem) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("kind", ["folder", "parent", "zip", "flat zip"])
def test_a_good_run_arrives_without_images_and_segments(theirs: Path, tmp_path: Path, kind: str) -> None:
    before = content(theirs)
    place = {
        "folder": lambda: theirs,
        "parent": lambda: theirs.parent,
        "zip": lambda: zipped(theirs),
        "flat zip": lambda: zipped(theirs, root=""),
    }[kind]()
    listener = Listener()
    found = jobs.bring_in(place, tmp_path / RUNS, on_event=listener)
    assert found is not None and found.is_new and listener.end.outcome is Outcome.FINISHED
    assert found.folder == tmp_path / RUNS / ("sent" if kind == "flat zip" else "our-model")
    inside = content(found.folder)
    assert inside == {name: data for name, data in before.items() if "/" not in name}
    assert found.n_bytes == sum(map(len, inside.values()))
    assert content(theirs) == before, "the source was written"
    assert listener.of(Preparing)[-1].what == "MB copied"
    (summary,) = list_runs(tmp_path / RUNS)
    assert summary.segments and summary.note == "of Ann"
    assert summary.data_licences == ("ACDC: CC BY-NC-SA 4.0",)
    cine = open_cohort(write_beating_cohort(tmp_path / "new", "x")).subjects
    outcome = jobs.segment_subjects(Run(found.folder), cine, device="cpu", output=tmp_path / "out")
    assert outcome is Outcome.FINISHED
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x_seg.nii.gz"]


def test_the_same_run_is_not_copied_twice_and_another_of_its_name_gets_a_number(
    theirs: Path, trained: Path, tmp_path: Path
) -> None:
    runs = tmp_path / RUNS
    first = jobs.bring_in(theirs, runs)
    again = jobs.bring_in(zipped(theirs), runs)
    own = jobs.bring_in(runs / "our-model", runs)
    for found in (again, own):
        assert found is not None and first is not None
        assert (found.folder, found.is_new) == (first.folder, False)
    cohort = open_cohort(trained / "cohort")
    other = tmp_path / "other" / "our-model"
    settings = jobs.JobSettings("cpu", bank_folder=tmp_path / "banks")
    recipe = segmentation(method="scratch", batch_size=2)
    jobs.finetune(cohort, recipe, Run(other), budget=jobs.LabelBudget(2), settings=settings)
    found = jobs.bring_in(other, runs, taken=[runs / "our-model-2"])
    assert found is not None and found.folder.name == "our-model-3", "a waiting training has the second name"
    assert sorted(path.name for path in runs.iterdir()) == ["our-model", "our-model-3"]


def change_state(run: Path, state: str) -> None:
    (run / "state.json").write_text(json.dumps({"state": state, "problems": []}))


def change_recipe(run: Path, old: str, new: str) -> None:
    text = (run / "recipe.yaml").read_text()
    assert old in text
    (run / "recipe.yaml").write_text(text.replace(old, new))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def make_newer(path: Path) -> None:
    data, old = path.read_bytes(), FORMAT.encode()
    assert old in data
    path.write_bytes(data.replace(old, old[:-1] + b"2", 1))


def pickle_weights(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weights": 1}))


def widen(run: Path) -> None:
    """Describe a network of terabytes in the recipe and in both checkpoints."""
    change_recipe(run, "channels: [3, 4]", "channels: [300000, 4]")
    for path in (run / "last.safetensors", run / "best.safetensors"):
        checkpoint = load_checkpoint(path)
        tree = checkpoint.recipe.model_dump()
        tree["network"]["channels"] = (300000, 4)
        save_checkpoint(path, replace(checkpoint, recipe=type(checkpoint.recipe).model_validate(tree)))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda run: truncate(run / "last.safetensors"), "not a valid checkpoint"),
    "best truncated": (lambda run: truncate(run / "best.safetensors"), "not a valid checkpoint"),
    "pickled": (lambda run: pickle_weights(run / "last.safetensors"), "is a pickle"),
    "newer": (lambda run: make_newer(run / "last.safetensors"), "is a cmr-ssp checkpoint 2. Update"),
    "flipped": (
        lambda run: (run / "last.safetensors").write_bytes(
            (run / "last.safetensors").read_bytes()[:-1] + b"\xff"
        ),
        "digest",
    ),
    "other recipe": (lambda run: change_recipe(run, "batch_size: 4", "batch_size: 2"), "other batch_size"),
    "huge note": (lambda run: (run / "note.txt").write_bytes(bytes(9 * 2**20)), "note.txt: is larger"),
    "network larger than the memory": (lambda run: widen(run), "do not fit its own recipe"),
    "damaged recipe": (lambda run: (run / "recipe.yaml").write_text("method: [", "utf-8"), "recipe.yaml"),
    "no history": (lambda run: (run / "history.csv").unlink(), "history.csv: is missing"),
    "no recipe": (lambda run: (run / "recipe.yaml").unlink(), "recipe.yaml: is missing"),
    "damaged scores": (lambda run: (run / "scores.csv").write_text("a,b\n1"), "scores.csv"),
    "failed": (lambda run: change_state(run, "failed"), "its training failed"),
    "running": (
        lambda run: (change_state(run, "running"), (run / ".lock").touch()),
        "a training is still working",
    ),
    "a pickle": (lambda run: (run / "optimiser.pkl").write_bytes(b""), "is a program or a pickle"),
    "a program": (lambda run: (run / "records" / "setup.EXE").write_bytes(b""), "is a program or a pickle"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("is_zipped", [False, True])
def test_a_broken_run_is_refused(theirs: Path, tmp_path: Path, kind: str, is_zipped: bool) -> None:
    damage, says = BROKEN[kind]
    damage(theirs)
    problems = refused(zipped(theirs) if is_zipped else theirs, tmp_path)
    assert any(says in problem for problem in problems), problems


def test_all_problems_are_said_at_once(theirs: Path, tmp_path: Path) -> None:
    truncate(theirs / "best.safetensors")
    (theirs / "split.yaml").unlink()
    change_recipe(theirs, "batch_size: 4", "batch_size: 2")
    change_state(theirs, "failed")
    text = "\n".join(refused(theirs, tmp_path))
    for says in ("best.safetensors", "split.yaml: is missing", "other batch_size", "its training failed"):
        assert says in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pretrained", "does not segment yet"),
        ("synthetic", "synthetic hearts"),
        ("cohort", "contains no run"),
    ],
)
def test_a_run_of_no_use_is_refused_with_the_reason(
    trained: Path, tmp_path: Path, name: str, says: str
) -> None:
    (problem, *_) = refused(trained / name, tmp_path)
    assert says in problem


def test_a_folder_of_several_runs_names_them(trained: Path, tmp_path: Path) -> None:
    (problem,) = refused(trained, tmp_path)
    assert "several runs (our model, pretrained, synthetic)" in problem


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_a_link_out_of_the_run_is_not_followed(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (theirs / "note.txt").unlink()
    (theirs / "note.txt").symlink_to(tmp_path / "secret.txt")
    (problem,) = refused(theirs, tmp_path)
    assert "link to a file outside" in problem


def test_an_archive_with_tricks_is_refused(theirs: Path, tmp_path: Path) -> None:
    archive = zipped(theirs)
    with zipfile.ZipFile(archive, "a") as target:
        target.writestr("our model/../../evil.txt", "x")
        link = zipfile.ZipInfo("our model/earlier.txt")
        link.external_attr = 0o120777 << 16
        target.writestr(link, "/etc/passwd")
    text = "\n".join(refused(archive, tmp_path))
    assert "leads out of the archive" in text and "is a link" in text
    truncated = tmp_path / "cut.zip"
    truncated.write_bytes(archive.read_bytes()[:-50])
    assert "cannot be read as a zip archive" in refused(truncated, tmp_path)[0]


def test_a_damaged_member_of_an_archive_is_named(theirs: Path, tmp_path: Path) -> None:
    archive = zipped(theirs)
    data = bytearray(archive.read_bytes())
    place = data.index((theirs / "split.yaml").read_bytes())
    data[place] ^= 1
    archive.write_bytes(data)
    (problem,) = refused(archive, tmp_path)
    assert "split.yaml: is damaged" in problem


def test_a_stopped_job_leaves_nothing(theirs: Path, tmp_path: Path) -> None:
    cancel, listener = Cancel(), Listener()

    def stop(event: object) -> None:
        listener(event)  # type: ignore[arg-type]
        if isinstance(event, Preparing):
            cancel.request()

    assert jobs.bring_in(theirs, tmp_path / RUNS, on_event=stop, cancel=cancel) is None
    assert listener.end.outcome is Outcome.STOPPED
    assert list((tmp_path / RUNS).iterdir()) == []


def test_what_a_killed_process_left_is_removed_after_a_day(theirs: Path, tmp_path: Path) -> None:
    old, new = (tmp_path / RUNS / f".{name}.arriving" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    assert jobs.bring_in(theirs, tmp_path / RUNS) is not None
    assert new.exists() and not old.exists()


def test_licences_follow_the_weights_and_change_no_id(trained: Path, tmp_path: Path) -> None:
    cohort = open_cohort(trained / "cohort")
    settings = jobs.JobSettings("cpu", bank_folder=tmp_path / "banks", data_licence="own data")
    run, budget = Run(tmp_path / "tuned"), jobs.LabelBudget(2)
    source = Run(trained / "pretrained")
    jobs.finetune(cohort, segmentation(), run, pretrained=source, budget=budget, settings=settings)
    header = read_checkpoint_header(run.last)
    assert header.provenance.data_licences == ("ACDC: CC BY-NC-SA 4.0", "own data")
    without = replace(header.provenance, data_licences=())
    assert run_id(header.recipe, without) == run_id(header.recipe, header.provenance)
    assert "data_licences" not in without.as_dict(), "earlier versions could not read it"


def test_a_place_without_space_or_that_is_a_file_is_refused(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be copied here"):
        jobs.bring_in(theirs, tmp_path / "file" / RUNS)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(OutputError, match="too little space"):
        jobs.bring_in(theirs, tmp_path / RUNS)
