"""Controllers without Qt, with fake panel views that record calls; and an additional panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CmrSspError
from cmr_ssp.files import open_cohort
from cmr_ssp.recipes import Recipe
from cmr_ssp.runs import Run, RunSummary, list_runs
from cmr_ssp.subjects import Cohort, Role, Subject
from cohort_helpers import mim, segmentation, write_beating_cohort
from fake_window import Calls, FakeDesk, FakeScene, fake_context
from psygnal import Signal

from napari_cmr_ssp import panels
from napari_cmr_ssp.context import Area, Context
from napari_cmr_ssp.io.results import Result, StoredLabels
from napari_cmr_ssp.panels import (
    DataController,
    ReconstructionController,
    RunsController,
    SaveController,
    TrainController,
)
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.scene.exams import read_exam

_C = TypeVar("_C")


class FakeOpeningRow(Calls):
    continue_requested = Signal()
    recent_requested = Signal()


class FakeDataView(Calls):
    place_chosen = Signal(Path)
    phantoms_requested = Signal()
    exam_requested = Signal(Subject)
    series_requested = Signal(Subject)
    choice_requested = Signal(Subject)
    pictures_wanted = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        self.opening = FakeOpeningRow()

    def notify_layer_stored(self, layer: str) -> None:
        self.calls.append(("notify_layer_stored", (layer,)))


class FakeModelOffer(Calls):
    drawing_requested = Signal()
    place_chosen = Signal(Path)
    data_set_chosen = Signal(Path)
    starter_accepted = Signal(object)


class FakeRunsView(Calls):
    refresh_requested = Signal()
    workspace_requested = Signal()
    run_chosen = Signal(RunSummary, str)
    segment_shown_requested = Signal(RunSummary, str)
    segment_selected_requested = Signal(RunSummary, str)
    score_requested = Signal(RunSummary, str)
    resume_requested = Signal(RunSummary)
    volume_requested = Signal(str, Phase)
    rename_requested = Signal(RunSummary)
    note_requested = Signal(RunSummary)
    delete_requested = Signal(RunSummary)
    workspace: Path | None = None

    def __init__(self) -> None:
        super().__init__()
        self.models = FakeModelOffer()

    def show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        self.calls.append(("show_runs", (runs,)))

    def ask_for_workspace(self, now: Path) -> Path | None:
        self.calls.append(("ask_for_workspace", (now,)))
        return self.workspace


class FakeReconstructionView(Calls):
    reconstruction_requested = Signal(Path, int, float)
    records_requested = Signal(Path)
    part_chosen = Signal(str)

    def show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        self.calls.append(("show_runs", (runs,)))

    def clear(self) -> None:
        self.calls.append(("clear", ()))


class FakeSaveView(Calls):
    opened = Signal()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abc"))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return fake_context(tmp_path / "workspace")


_KEPT: list[object] = []
"""References to the controllers; signals keep none."""


def made(controller: _C) -> _C:
    _KEPT.append(controller)
    return controller


@pytest.fixture
def run(context: Context) -> RunSummary:
    folder = context.preferences.now.runs / "tuned"
    folder.mkdir(parents=True)
    Run(folder).write_state(None)
    (found,) = list_runs(folder.parent)
    return found


def desk_of(context: Context) -> FakeDesk:
    assert isinstance(context.desk, FakeDesk)
    return context.desk


def scene_of(context: Context) -> FakeScene:
    assert isinstance(context.scene, FakeScene)
    return context.scene


def test_a_folder_becomes_the_cohort_and_a_subject_the_shown_exam(context: Context, cohort: Cohort) -> None:
    view = FakeDataView()
    made(DataController(context, view))
    view.place_chosen.emit(cohort.root)
    assert context.session.cohort == cohort
    view.exam_requested.emit(cohort.subject("b"))
    assert context.session.exam is not None and context.session.exam.belongs_to(cohort.subject("b"))
    assert [arguments[0] for arguments in scene_of(context).called("show_exam")] == [context.session.exam]
    opening = ["Recent folders", f"Open {cohort.root.name}", "List own labels"]
    assert desk_of(context).titles == [*opening, "Read b"]


def test_an_exam_of_another_cohort_is_not_shown(context: Context, cohort: Cohort) -> None:
    view = FakeDataView()
    made(DataController(context, view))
    view.exam_requested.emit(cohort.subject("b"))  # its cohort is no longer open
    assert context.session.exam is None
    assert scene_of(context).called("show_exam") == []


def test_what_leaves_the_viewer_is_told(context: Context) -> None:
    view = FakeDataView()
    made(DataController(context, view))
    context.scene.layer_stored.emit("a reference (edited)")
    assert view.called("notify_layer_stored") == [("a reference (edited)",)]


def test_runs_are_listed_at_once_and_after_each_job(context: Context, run: RunSummary) -> None:
    view = FakeRunsView()
    made(RunsController(context, view))
    assert context.session.runs == (run,)
    context.desk.run_ended.emit(run.folder)
    assert view.called("choose") == [(run.folder,)]
    assert view.called("show_runs") == [((run,),)] * 2


def test_another_workspace_is_asked_for_and_listed(context: Context, run: RunSummary, tmp_path: Path) -> None:
    view = FakeRunsView()
    made(RunsController(context, view))
    view.workspace_requested.emit()  # and cancelled
    assert context.session.runs == (run,)
    view.workspace = tmp_path / "elsewhere"
    view.workspace_requested.emit()
    assert context.session.runs == ()
    assert context.preferences.now.workspace == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    "asked", ["resume_requested", "score_requested", "segment_shown_requested", "segment_selected_requested"]
)
def test_what_is_missing_for_a_run_is_said(context: Context, run: RunSummary, asked: str) -> None:
    view = FakeRunsView()
    made(RunsController(context, view))
    getattr(view, asked).emit(run, *(() if asked == "resume_requested" else ("last",)))
    (problem,) = desk_of(context).problems
    assert "none is" in problem.what and problem.remedy
    assert desk_of(context).computed == []


def test_the_selected_subjects_are_segmented_and_what_was_found_is_shown_with_its_exam(
    context: Context, run: RunSummary, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = FakeRunsView()
    panel = made(RunsController(context, view))
    context.session.open(cohort)
    context.session.selected = ("a", "c")
    view.segment_selected_requested.emit(run, "last")
    job, _ = desk_of(context).computed[0]
    assert job.title == "Segment 2 subjects by tuned"
    desk_of(context).finish()
    assert desk_of(context).called("show_saved") == [([],)]
    exam = read_exam(cohort.subject("c"))
    found = StoredLabels(np.zeros(exam.pixels.shape, np.uint8), "digest")
    monkeypatch.setattr(Result, "read", lambda *_: found)
    panel.segmenting.results.add(Result(cohort.subject("c"), "tuned", Path("c_seg.nii.gz")))
    context.session.exam = exam
    assert scene_of(context).called("show_prediction") == [(exam, found.labels, "tuned")]


def test_an_emptied_scene_takes_the_reconstruction_away(context: Context) -> None:
    view = FakeReconstructionView()
    made(ReconstructionController(context, view))
    context.scene.cleared.emit()
    assert view.called("clear") == [()]
    view.reconstruction_requested.emit(Path("mim"), 0, 0.6)
    assert [problem.where for problem in desk_of(context).problems] == ["exam"]


def test_without_a_labels_layer_there_is_nothing_to_save(context: Context) -> None:
    view = FakeSaveView()
    made(SaveController(context, view))
    view.opened.emit()
    assert view.called("show_choices") == [([("No labels layer", None)],)]


class FakeForm:
    """Holds a recipe without showing it."""

    problems = ()

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def value(self, kind: type[Recipe] = Recipe) -> Recipe:
        assert isinstance(self.recipe, kind)
        return self.recipe

    def set_value(self, recipe: Recipe) -> None:
        self.recipe = recipe


class FakeName:
    def __init__(self) -> None:
        self._text = ""

    def text(self) -> str:
        return self._text

    def setText(self, text: str) -> None:  # noqa: N802 - as Qt's field has it
        self._text = text


class FakeTrainView(Calls):
    source_changed = Signal()
    source_chosen = Signal()
    name_edited = Signal()
    form_changed = Signal()
    start_requested = Signal()
    copy_requested = Signal()
    pretrains, recipe_method, pretrained, selected_source, max_minutes = True, "mim", None, None, None

    def __init__(self) -> None:
        super().__init__()
        self.form, self.name, self.curves = FakeForm(mim()), FakeName(), Calls()


def test_a_training_is_queued_under_a_name_that_is_given_once(context: Context, cohort: Cohort) -> None:
    view = FakeTrainView()
    made(TrainController(context, view))
    view.start_requested.emit()
    ((problems,),) = view.called("show_problems")
    assert [problem.where for problem in problems] == ["cohort"]
    context.session.open(cohort)
    for _ in range(2):
        view.start_requested.emit()
    assert [job.title for job, _ in desk_of(context).computed] == ["Pretrain mim-1", "Pretrain mim-2"]
    assert view.name.text() == "mim-3"
    context.desk.run_ended.emit(context.preferences.now.runs / "mim-1")  # without a folder
    assert view.name.text() == "mim-1"


def test_labels_have_to_be_ticked_before_they_are_trained_on(context: Context, cohort: Cohort) -> None:
    view = FakeTrainView()
    panel = made(TrainController(context, view))
    view.pretrains, view.recipe_method = False, "scratch"
    view.form.recipe = segmentation(method="scratch")
    context.session.open(cohort)
    with pytest.raises(CmrSspError, match="none is ticked"):
        panel.plan()
    context.session.set_role("a", Role.TRAIN)
    context.session.tick("a", Phase.ED, on=True)
    assert panel.plan().ticks == {"a": frozenset({Phase.ED})}
    view.name.setText("../elsewhere")
    with pytest.raises(CmrSspError, match="not a valid folder name"):
        panel.plan()


class ExampleController:
    """An additional panel."""

    title: ClassVar[str] = "Example"
    area: ClassVar[Area] = Area.TAB

    def __init__(self, context: Context, view: Any) -> None:
        self.view = view
        context.session.events.cohort.connect(lambda cohort: view.setText(cohort.root.name))

    @classmethod
    def make(cls, context: Context) -> Self:
        from qtpy.QtWidgets import QLabel

        return cls(context, QLabel())


def test_a_new_panel_has_a_tab_and_hears_of_the_session(
    make_napari_viewer: Any, tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_cmr_ssp.workbench import Workbench

    shipped = panels.PANELS
    monkeypatch.setattr(panels, "PANELS", (*shipped, ExampleController))
    bench = Workbench(make_napari_viewer(), Preferences("cpu", 1, tmp_path))
    tabs = [bench.tabs.tabText(place) for place in range(bench.tabs.count())]
    assert tabs == [*(panel.title for panel in shipped if panel.area is Area.TAB), "Example"]
    bench.session.open(cohort)
    assert bench.panel(ExampleController).view.text() == cohort.root.name
    bench.close_down()
