"""Day one without a model: the window leads to drawing, to a run from elsewhere, and to a starter model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.jobs.share import export_model
from cmr_ssp.jobs.starter import plan_starter
from cmr_ssp.phantoms import write_phantom_cohort
from cmr_ssp.runs import Run, read_checkpoint_header
from cmr_ssp.subjects import Role
from cohort_helpers import tiny_presets, write_beating_cohort
from qtpy.QtWidgets import QFileDialog
from window_helpers import (
    Wait,
    docked,
    idle,
    open_folder,
    run_of,
    runs_view,
    segment_shown,
    show,
    train_from_scratch,
)

from napari_cmr_ssp.panels import CorrectController
from napari_cmr_ssp.panels.runs.starter_dialog import StarterDialog, duration
from napari_cmr_ssp.workbench import Workbench


@pytest.fixture
def bench(viewer: Any, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    monkeypatch.setenv("CMR_SSP_CACHE", str(tmp_path / "cache"))
    bench = docked(viewer, tmp_path / "workspace")
    open_folder(bench, write_beating_cohort(tmp_path / "exams", "xy", labelled=()), wait)
    wait(lambda: bench.session.runs is not None)
    yield bench
    bench.close_down()


def offers(bench: Workbench) -> bool:
    return not runs_view(bench).models.isHidden()


def entries(menu: Any) -> dict[str, Any]:
    """Return the actions of a menu and of those within it, by their texts."""
    found = {}
    for action in menu.actions():
        found[action.text().replace("&", "")] = action
        if action.menu() is not None:
            found |= entries(action.menu())
    return found


def answer(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """Choose a path in the next dialogs for files."""
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(place))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(place), ""))


def brought_in(bench: Workbench, wait: Wait, entry: str = "Folder ...") -> None:
    entries(runs_view(bench).models.bring_in.menu())[entry].trigger()
    wait(lambda: idle(bench))


def test_the_offer_is_there_until_a_run_can_segment_the_exam(
    bench: Workbench, tmp_path: Path, wait: Wait
) -> None:
    models = runs_view(bench).models
    assert offers(bench) and "No run here can segment" in models.why.text()
    of_phantoms = run_of(tmp_path / "p", "scratch", "phantom-001")
    of_patients = run_of(tmp_path / "q", "finetune", "a")
    bench.session.runs = (run_of(tmp_path / "m", "mim"),)
    assert offers(bench), "a pretraining does not segment"
    bench.session.runs = (of_phantoms,)
    assert offers(bench) and "synthetic hearts" in models.why.text()
    bench.session.runs = (of_phantoms, of_patients)
    assert not offers(bench)
    bench.session.runs = (of_phantoms,)
    write_phantom_cohort(tmp_path / "phantoms", 1, n_frames=4)
    open_folder(bench, tmp_path / "phantoms", wait)
    assert not offers(bench), "it segments phantoms"
    show(bench, "phantom-001", wait)
    assert not offers(bench)


def test_drawing_by_hand_leads_to_empty_contours_once(bench: Workbench, wait: Wait) -> None:
    runs_view(bench).models.draw.click()
    assert "none is open" in bench.job_bar.problems.text() and bench.session.tab != "Correct"
    bench.desk.clear()
    show(bench, "x", wait)
    wait(lambda: idle(bench))
    runs_view(bench).models.draw.click()
    assert bench.tabs.tabText(bench.tabs.currentIndex()) == "Correct"
    shown = bench.scene.corrections.of(bench.session.exam)
    assert shown is not None and not np.any(shown.contours.labels)
    bench.session.tab = "Runs"
    entries(runs_view(bench).models.button.menu())["Draw by hand"].trigger()
    assert bench.session.tab == "Correct"
    assert bench.scene.corrections.of(bench.session.exam) is shown, "what was drawn must stay"


def test_drawing_by_hand_leads_to_an_earlier_draft(bench: Workbench, wait: Wait) -> None:
    show(bench, "x", wait)
    bench.panel(CorrectController).view.offer_draft("2026-01-01 10:00")
    runs_view(bench).models.draw.click()
    assert bench.session.tab == "Correct"
    assert bench.scene.corrections.of(bench.session.exam) is None
    assert bench.panel(CorrectController).view.offers_draft


def test_a_bundle_is_brought_in_with_its_card_as_note(
    bench: Workbench, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_from_scratch(tmp_path / "elsewhere", "theirs")
    bundle = tmp_path / "model.zip"
    export_model(Run(tmp_path / "elsewhere" / "runs" / "theirs"), bundle)
    show(bench, "x", wait)
    answer(monkeypatch, bundle)
    brought_in(bench, wait, "Zip archive ...")
    wait(lambda: runs_view(bench).selected_run is not None)
    chosen = runs_view(bench).selected_run
    assert chosen.folder == tmp_path / "workspace" / "runs" / "model"
    assert "Research use only" in chosen.note and not offers(bench)
    assert segment_shown(bench, wait).name == "x by model"
    bundle.write_bytes(bundle.read_bytes().replace(b"Research use only", b"Diagnostic use   "))
    brought_in(bench, wait, "Zip archive ...")
    assert bench.job_bar.title.text().startswith("Failed")
    assert "card.yaml</b>: is damaged" in bench.job_bar.problems.text()


@pytest.mark.parametrize("kind", ["Folder ...", "Zip archive ..."])
def test_a_run_from_elsewhere_is_brought_in_and_segments_the_shown_exam(
    bench: Workbench, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    train_from_scratch(tmp_path / "elsewhere", "theirs")
    place = tmp_path / "elsewhere" / "runs" / "theirs"
    if kind.startswith("Zip"):
        place = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", place.parent, "theirs"))
    show(bench, "x", wait)
    answer(monkeypatch, place)
    brought_in(bench, wait, kind)
    wait(lambda: runs_view(bench).selected_run is not None)
    assert runs_view(bench).selected_run.folder == tmp_path / "workspace" / "runs" / "theirs"
    assert "MB, now the run theirs" in bench.job_bar.title.text()
    assert not offers(bench)
    brought_in(bench, wait, kind)
    assert "it is here already, as theirs" in bench.job_bar.title.text()
    wait(lambda: runs_view(bench).selected_run is not None and idle(bench))
    assert len(bench.session.runs or ()) == 1
    assert segment_shown(bench, wait).name == "x by theirs"


def test_what_is_wrong_with_a_run_is_said_and_the_offer_stays(
    bench: Workbench, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_from_scratch(tmp_path / "elsewhere", "theirs")
    run = tmp_path / "elsewhere" / "runs" / "theirs"
    (run / "split.yaml").unlink()
    (run / "best.safetensors").write_bytes(b"\x80\x04pickle")
    answer(monkeypatch, run)
    brought_in(bench, wait)
    text = bench.job_bar.problems.text()
    assert "is missing" in text and "is a pickle" in text
    assert bench.job_bar.title.text().startswith("Failed") and offers(bench)
    assert [path.name for path in (tmp_path / "workspace" / "runs").iterdir()] == ["jobs.json"]


def test_a_starter_model_is_built_while_the_exam_stays(
    bench: Workbench, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_presets(monkeypatch)
    public = write_beating_cohort(tmp_path / "public hearts", "abcdefgh", labelled="abcdef")
    show(bench, "x", wait)
    exam, cohort = bench.session.exam, bench.session.cohort
    models = runs_view(bench).models
    answer(monkeypatch, public)
    models.build.click()
    wait(lambda: models.dialog is not None and models.dialog.isVisible())
    dialog = models.dialog
    assert dialog is not None
    assert dialog.facts["Labelled subjects"] == "6: 5 train, 1 test"
    assert "licence unknown: ask whom you have the data from" in dialog.facts["Licence"]
    assert dialog.facts["Time"].startswith("about a minute")
    dialog.build.click()
    wait(lambda: idle(bench) and not offers(bench))
    folder = tmp_path / "workspace" / "runs" / "public-hearts-starter-1"
    assert [run.folder for run in bench.session.runs or ()] == [folder]
    seen = read_checkpoint_header(Run(folder).last).provenance
    assert seen.data_licences == ("plain folder: licence unknown: ask whom you have the data from",)
    assert len(seen.training) == 5 and len(Run(folder).split().ids(Role.TEST)) == 1
    assert bench.session.exam is exam and bench.session.cohort is cohort
    runs_view(bench).choose(folder)
    assert segment_shown(bench, wait).name == "x by public-hearts-starter-1"


def test_a_starter_model_of_no_use_is_refused_and_one_may_decline(
    bench: Workbench, tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_phantom_cohort(tmp_path / "phantoms", 4, n_frames=4)
    few = write_beating_cohort(tmp_path / "few", "ab")
    models = runs_view(bench).models
    for place, says in ((tmp_path / "phantoms", "synthetic hearts"), (few, "2 labelled subjects")):
        answer(monkeypatch, place)
        entries(models.button.menu())["Build a starter model ..."].trigger()
        wait(lambda: idle(bench))
        assert says in bench.job_bar.problems.text() and models.dialog is None
    tiny_presets(monkeypatch)
    enough = write_beating_cohort(tmp_path / "enough", "abcdef")
    dialog = StarterDialog(plan_starter(enough, "cpu"))
    dialog.accepted.connect(lambda: pytest.fail("it was declined"))
    dialog.reject()


def test_a_data_set_with_enough_labels_keeps_some_to_validate_and_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_presets(monkeypatch)
    ids = [f"s{number:02d}" for number in range(20)]
    starter = plan_starter(write_beating_cohort(tmp_path / "data", ids), "cpu")
    assert (len(starter.labels), starter.n_validating, starter.n_testing) == (14, 2, 4)
    assert set(starter.labels.values()) == {(Phase.ED, Phase.ES)}
    assert not starter.labels.keys() & set(starter.split.ids(Role.TEST, Role.VALIDATION))
    assert [duration(seconds) for seconds in (20, 600, 8000)] == [
        "about a minute",
        "about 10 minutes",
        "about 2 hours",
    ]
