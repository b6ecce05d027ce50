"""Panel view of the Runs panel."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.evaluation import Score
from cmr_ssp.recipes import is_pretraining
from cmr_ssp.runs import RunSummary
from psygnal import Signal, SignalInstance
from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_cmr_ssp.panels.runs.model_offer import ModelOffer
from napari_cmr_ssp.panels.runs.run_menu import add_menu, ask_for_name, ask_for_note, confirm_deletion
from napari_cmr_ssp.panels.runs.run_table import RunTable
from napari_cmr_ssp.panels.runs.score_table import ScoreTable
from napari_cmr_ssp.widgets.folders import open_folder
from napari_cmr_ssp.widgets.start_button import StartButton
from napari_cmr_ssp.widgets.tables import Table, fit_columns, selected_rows, selection_of, table_of

_LEAST_TABLE_PX = 48


class RunsView(QWidget):
    """Table of runs, buttons and table of 3D Dice scores.

    All signals except `refresh_requested` and `workspace_requested` have the selected `RunSummary`; all of
    these except `resume_requested` also have the chosen checkpoint.
    """

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

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.runs = RunTable(self)
        self.scores = ScoreTable(self)
        self.table = table_of(self.runs)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.menu = add_menu(
            self.table,
            (
                ("Open folder", "Show the files of the run", self._open_folder),
                ("Rename ...", "Rename the folder", lambda: self._emit(self.rename_requested)),
                ("Note ...", "A text that is shown as tool tip", lambda: self._emit(self.note_requested)),
                ("Delete ...", "Delete the folder", lambda: self._emit(self.delete_requested)),
            ),
        )
        self.score_view = self._make_score_view()
        self.models = ModelOffer()
        self.about = QLabel("Reading runs ...")
        self.about.setWordWrap(True)
        self.segment_shown = StartButton("Segment shown exam")
        self.segment_shown.setToolTip("All frames of the exam in the viewer; labelled phases are scored")
        self.segment_selected = StartButton("Segment selected")
        self.segment_selected.setToolTip("The subjects selected under Data; files go into the run's folder")
        self.checkpoint = _checkpoint_box()
        self.score = StartButton("Score cohort")
        self.score.setToolTip("3D Dice of every labelled volume; the mean is over test subjects")
        self.resume = StartButton("Resume")
        self.resume.setToolTip("Continue a run that was stopped, exactly where it stopped")
        self.refresh = QPushButton("Refresh")
        self.refresh.setToolTip("Read the list of runs again")
        self.folder = QElidingLabel()
        self.folder.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.workspace = QPushButton("Change ...")
        self.workspace.setToolTip("Choose the folder for new runs, or one with existing runs")
        self._lay_out()
        self.refresh.clicked.connect(lambda: self.refresh_requested.emit())
        self.workspace.clicked.connect(lambda: self.workspace_requested.emit())
        for button, signal in (
            (self.segment_shown, self.segment_shown_requested),
            (self.segment_selected, self.segment_selected_requested),
            (self.score, self.score_requested),
        ):
            button.clicked.connect(lambda _=False, signal=signal: self._emit_with_checkpoint(signal))
        self.resume.clicked.connect(lambda: self._emit(self.resume_requested))
        self.checkpoint.currentIndexChanged.connect(lambda _: self._emit_with_checkpoint(self.run_chosen))
        selection_of(self.table).selectionChanged.connect(self._on_selected)
        self._update_buttons()

    @property
    def selected_run(self) -> RunSummary | None:
        """The selected run."""
        rows = selected_rows(self.table)
        return self.runs.runs[rows[0].row()] if rows else None

    @property
    def chosen_checkpoint(self) -> str:
        """The checkpoint to use: ``last``, or ``best`` if the selected run has it and the user chose it."""
        return self.checkpoint.currentText() if _has_choice(self.selected_run) else "last"

    def show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        """List runs and keep the selection."""
        selected = self.selected_run.folder if self.selected_run is not None else None
        self.runs.show(runs)
        if selected is not None:
            self.choose(selected)
        self._update_buttons()
        if self.selected_run is None:
            hint = "Select a run." if runs else "No runs here yet: train one, or change the folder."
            self.about.setText(hint)

    def show_folder(self, folder: Path) -> None:
        """Show the folder of the runs."""
        self.folder.setText(f"Runs in {folder}")
        self.folder.setToolTip(str(folder))

    def ask_for_workspace(self, now: Path) -> Path | None:
        """Ask the user for the workspace; return None if the user cancels."""
        chosen = QFileDialog.getExistingDirectory(self, "Folder for new runs", str(now))
        return Path(chosen) if chosen else None

    def ask_for_name(self, run: RunSummary) -> str | None:
        """Ask for a new name of a run; None if the user cancels."""
        return ask_for_name(self, run)

    def ask_for_note(self, run: RunSummary) -> str | None:
        """Ask for the note of a run; None if the user cancels."""
        return ask_for_note(self, run)

    def confirm_deletion(self, run: RunSummary, others: Sequence[str]) -> bool:
        """Ask whether to delete a run, from which the `others` started."""
        return confirm_deletion(self, run, others)

    def choose(self, folder: Path) -> None:
        """Select the run of a folder."""
        for row, run in enumerate(self.runs.runs):
            if run.folder == folder:
                self.table.selectRow(row)

    def show_scores(self, run: RunSummary, scores: Iterable[Score], name: str) -> None:
        """Show the 3D Dice scores of a run, or that it is a pretraining; `name` includes its checkpoint."""
        self.scores.show(scores)
        name = html.escape(name)
        if is_pretraining(run.method):
            self.about.setText(f"<b>{name}</b> is a pretraining: start a training from it under Train.")
            return
        none = "" if self.scores.rows else ": not scored yet"
        self.about.setText(f"3D Dice of <b>{name}</b>{none}")

    def _lay_out(self) -> None:
        buttons = QGridLayout()
        buttons.addWidget(self.segment_shown, 0, 0, 1, 2)
        buttons.addWidget(self.segment_selected, 0, 2, 1, 2)
        buttons.addWidget(self.checkpoint, 0, 4)
        buttons.addWidget(self.score, 1, 0, 1, 2)
        buttons.addWidget(self.resume, 1, 2)
        buttons.addWidget(self.refresh, 1, 3, 1, 2)
        where = QHBoxLayout()
        where.addWidget(self.folder, stretch=1)
        where.addWidget(self.workspace)
        where.addWidget(self.models.button)
        for table in (self.table, self.score_view):
            table.setMinimumHeight(_LEAST_TABLE_PX)  # with the offer of models, a small window is full
        layout = QVBoxLayout(self)
        layout.addLayout(where)
        layout.addWidget(self.models)
        layout.addWidget(self.table, stretch=2)
        layout.addLayout(buttons)
        layout.addWidget(self.about)
        layout.addWidget(self.score_view, stretch=3)

    def _on_selected(self) -> None:
        self._update_buttons()
        self._emit_with_checkpoint(self.run_chosen)

    def _update_buttons(self) -> None:
        """Enable the buttons that apply to the selected run."""
        run = self.selected_run
        segments = run is not None and run.segments
        for button in (self.segment_shown, self.segment_selected, self.score):
            button.setEnabled(segments)
        self.checkpoint.setVisible(_has_choice(run))
        self.resume.setEnabled(
            run is not None and run.has_checkpoint and run.state in ("stopped", "failed") and bool(run.method)
        )

    def _open_folder(self) -> None:
        if self.selected_run is not None:
            open_folder(self.selected_run.folder)

    def _make_score_view(self) -> Table:
        view = table_of(self.scores)
        fit_columns(view)  # the ids would be squeezed
        view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)  # the worst comes first until a title is clicked
        view.setSortingEnabled(True)
        view.setToolTip("Double click or press Enter to show a volume; click a title to sort")
        view.doubleClicked.connect(self._on_volume)
        view.row_opened.connect(self._on_volume)
        return view

    def _on_volume(self, index: QModelIndex) -> None:
        volume = self.scores.volume(index.row())
        if volume is not None:
            self.volume_requested.emit(*volume)

    def _emit(self, signal: SignalInstance) -> None:
        if self.selected_run is not None:
            signal.emit(self.selected_run)

    def _emit_with_checkpoint(self, signal: SignalInstance) -> None:
        if self.selected_run is not None:
            signal.emit(self.selected_run, self.chosen_checkpoint)


def _checkpoint_box() -> QComboBox:
    box = QComboBox()
    box.addItems(("last", "best"))
    box.setAccessibleName("Checkpoint")
    box.setToolTip("Checkpoint that segments and scores: the last one, or the one with the best validation")
    return box


def _has_choice(run: RunSummary | None) -> bool:
    """Return whether a run segments and has both a last and a best checkpoint."""
    return run is not None and run.has_best and run.segments
