"""Buttons that open exams and cohorts, with a menu of what can be opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from psygnal import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QGridLayout, QMenu, QPushButton, QWidget

from napari_cmr_ssp.io.palette import NIFTI_FILTER

_MAX_LABEL = 30


class OpeningRow(QWidget):
    """The buttons *Open ...*, with a menu, and *Phantom cohort*, and one to continue after a restart.

    Signals: `place_chosen` (path of a folder, archive or file), `phantoms_requested`, `continue_requested`,
    and `recent_requested`, when the menu opens.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    place_chosen = Signal(Path)
    phantoms_requested = Signal()
    continue_requested = Signal()
    recent_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.menu = self._make_menu()
        self._recent: list[QAction] = []
        self.open_button = QPushButton("Open ...")
        self.open_button.setToolTip("Open an exam or a cohort: a folder, a zip archive or a NIfTI file")
        self.open_button.setMenu(self.menu)
        self.phantom_button = QPushButton("Phantom cohort")
        self.phantom_button.setToolTip("Synthetic cines with labels; created once, in a few seconds")
        self.phantom_button.clicked.connect(lambda: self.phantoms_requested.emit())
        self.continue_button = QPushButton()
        self.continue_button.setToolTip("Open what was open last")
        self.continue_button.clicked.connect(lambda: self.continue_requested.emit())
        self.continue_button.hide()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.open_button, 0, 0)
        layout.addWidget(self.phantom_button, 0, 1)
        layout.addWidget(self.continue_button, 1, 0, 1, 2)

    def offer_last(self, place: Path, exam: str | None) -> None:
        """Offer to continue with a folder, archive or file, and the exam that was shown."""
        names = [place.name] if exam is None else [place.name, exam]
        self.continue_button.setText("Continue with " + ", ".join(map(_label, names)))
        self.continue_button.setToolTip(
            f"Open {place} again, with the exam, tab, split and ticks of last time"
        )
        self.continue_button.show()

    def withdraw_last(self) -> None:
        """Hide the button to continue."""
        self.continue_button.hide()

    def show_recent(self, places: Sequence[Path]) -> None:
        """Show what was opened recently in the menu, newest first."""
        for action in self._recent:
            self.menu.removeAction(action)
            action.deleteLater()
        names = [place.name for place in places]
        self._recent = []
        if places:
            title = self.menu.addSection("Recent")
            assert title is not None
            self._recent.append(title)
        for place in places:
            text = _label(place.name)
            if names.count(place.name) > 1:
                text = f"{text} in {_label(place.parent.name)}"
            action = self.menu.addAction(text, lambda place=place: self.place_chosen.emit(place))
            assert action is not None
            action.setToolTip(str(place))
            self._recent.append(action)

    def ask_for_folder(self) -> None:
        """Let the user choose the folder of an exam or a cohort."""
        self._emit(QFileDialog.getExistingDirectory(self, "Open the folder of an exam or a cohort"))

    def ask_for_archive(self) -> None:
        """Let the user choose a zip archive of a DICOM exam."""
        self._emit(QFileDialog.getOpenFileName(self, "Open a DICOM exam", "", "Zip (*.zip *.ZIP)")[0])

    def ask_for_file(self) -> None:
        """Let the user choose the NIfTI file of a cine."""
        self._emit(QFileDialog.getOpenFileName(self, "Open a cine", "", NIFTI_FILTER)[0])

    def _emit(self, chosen: str) -> None:
        if chosen:
            self.place_chosen.emit(Path(chosen))

    def _make_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(lambda: self.recent_requested.emit())
        for text, ask, tip in (
            ("&Folder ...", self.ask_for_folder, "DICOM exams, ACDC, M&Ms, Sunnybrook, or NIfTI cines"),
            (
                "&Zip archive ...",
                self.ask_for_archive,
                "DICOM exam; it is not unpacked on disk",
            ),
            (
                "&NIfTI file ...",
                self.ask_for_file,
                "One cine, with its labels if it is part of a cohort",
            ),
        ):
            action = menu.addAction(text, ask)
            assert action is not None
            action.setToolTip(tip)
        return menu


def _label(name: str) -> str:
    """Shorten a name in its middle, and show its `&` as one."""
    short = name if len(name) <= _MAX_LABEL else f"{name[: _MAX_LABEL // 2]}…{name[-_MAX_LABEL // 2 :]}"
    return short.replace("&", "&&")
