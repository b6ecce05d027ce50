"""Buttons and a menu with the ways to a model, and the files they ask for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QFrame, QGridLayout, QLabel, QMenu, QPushButton, QWidget

from napari_cmr_ssp.panels.runs.starter_dialog import StarterDialog

if TYPE_CHECKING:
    from cmr_ssp.jobs import Starter

_DRAW = "Make empty contours of the shown exam, under Correct"
_BRING_IN = "Copy a run that somebody else trained into your workspace, after checking it"
_BUILD = "Train on a public data set that you have, such as ACDC or M&Ms; the shown exam stays"
_WAYS = "Draw it by hand, bring in a run that somebody else trained, or train on a public data set."


class ModelOffer(QFrame):
    """A frame with three buttons, visible while no run can segment the shown exam, and the same as a menu.

    Signals: `drawing_requested`, `place_chosen` (path of a run folder or an archive), `data_set_chosen`
    (path of a folder) and `starter_accepted` (the planned starter model).

    Attributes
    ----------
    button : QPushButton
        Opens the menu; placed beside the list of runs.
    """

    drawing_requested = Signal()
    place_chosen = Signal(Path)
    data_set_chosen = Signal(Path)
    starter_accepted = Signal(object)  # a `Starter`; its module imports torch

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.why = QLabel()
        self.why.setWordWrap(True)
        self.draw = QPushButton("Draw by hand")
        self.draw.setToolTip(_DRAW)
        self.draw.clicked.connect(lambda _: self.drawing_requested.emit())
        self.bring_in = QPushButton("Bring in a model")
        self.bring_in.setToolTip(_BRING_IN)
        self.bring_in.setMenu(self._menu_to_bring_in())
        self.build = QPushButton("Starter model ...")
        self.build.setToolTip(_BUILD)
        self.build.clicked.connect(lambda _: self.ask_for_data_set())
        self.button = QPushButton("New model")
        self.button.setToolTip("Bring in a model, build a starter model, or draw by hand")
        self.button.setMenu(self._whole_menu())
        layout = QGridLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(self.why, 0, 0, 1, 3)
        for column, button in enumerate((self.draw, self.bring_in, self.build)):
            layout.addWidget(button, 1, column)
        self.dialog: StarterDialog | None = None
        self.hide()

    def offer(self, why: str) -> None:
        """Show the buttons with the reason for them; hide them without one."""
        self.why.setText(f"<b>{why}</b> {_WAYS}")
        self.setVisible(bool(why))

    def ask_for_folder(self) -> None:
        """Let the user choose a run folder."""
        self._take(QFileDialog.getExistingDirectory(self, "Folder of the run to bring in"))

    def ask_for_archive(self) -> None:
        """Let the user choose a bundle, or a zip archive of a run."""
        self._take(QFileDialog.getOpenFileName(self, "Bundle or archive to bring in", "", "Zip (*.zip)")[0])

    def ask_for_data_set(self) -> None:
        """Let the user choose the folder of a public data set."""
        chosen = QFileDialog.getExistingDirectory(self, "Folder of ACDC, M&Ms, M&Ms-2 or nnU-Net data")
        if chosen:
            self.data_set_chosen.emit(Path(chosen))

    def ask_to_build(self, starter: Starter) -> None:
        """Show what a starter model takes; `starter_accepted` follows if the user agrees."""
        if self.dialog is not None:
            self.dialog.close()
        self.dialog = StarterDialog(starter, self.window())
        self.dialog.accepted.connect(partial(self.starter_accepted.emit, starter))
        self.dialog.show()

    def _take(self, chosen: str) -> None:
        if chosen:
            self.place_chosen.emit(Path(chosen))

    def _menu_to_bring_in(self) -> QMenu:
        menu = QMenu("&Bring in a model", self)
        menu.setToolTipsVisible(True)
        for text, ask, tip in (
            ("&Folder ...", self.ask_for_folder, "A run folder, with recipe.yaml and last.safetensors"),
            (
                "&Zip archive ...",
                self.ask_for_archive,
                "A bundle (a file with its card), or a zipped run folder",
            ),
        ):
            action = menu.addAction(text, ask)
            assert action is not None
            action.setToolTip(tip)
        return menu

    def _whole_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        menu.addMenu(self._menu_to_bring_in())
        for text, ask, tip in (
            ("Build a &starter model ...", self.ask_for_data_set, _BUILD),
            ("&Draw by hand", self.drawing_requested.emit, _DRAW),
        ):
            action = menu.addAction(text, ask)
            assert action is not None
            action.setToolTip(tip)
        return menu
