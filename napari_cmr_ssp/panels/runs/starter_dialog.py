"""Dialog with the data, the licence and the duration of a starter model, before it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_cmr_ssp.widgets.texts import problem_html
from napari_cmr_ssp.widgets.tones import ToneLabel

if TYPE_CHECKING:
    from cmr_ssp.jobs import Starter

_WIDTH_PX = 520
_ROUGH_S = 90
_HOUR_S = 3600
_PROBLEMS = 3


class StarterDialog(QDialog):
    """Says what the training takes; `accepted` is emitted if the user starts it.

    Parameters
    ----------
    starter : Starter
        The planned training.
    parent : QWidget, optional
        Parent widget.
    """

    def __init__(self, starter: Starter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Build a starter model")
        self.setMinimumWidth(_WIDTH_PX)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.facts = facts(starter)
        for name, text in self.facts.items():
            label = QLabel(text)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            form.addRow(name, label)
        problems = ToneLabel(problem_html(starter.cohort.problems, _PROBLEMS))
        problems.setVisible(bool(starter.cohort.problems))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        build = buttons.addButton("Build", QDialogButtonBox.ButtonRole.AcceptRole)
        assert build is not None
        build.setToolTip("Train in the background, after the jobs that are running or waiting")
        self.build = build
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(problems)
        layout.addWidget(buttons)


def facts(starter: Starter) -> dict[str, str]:
    """Return the rows of the dialog."""
    kept = [
        f"{n} {purpose}"
        for n, purpose in (
            (len(starter.labels), "train"),
            (starter.n_validating, "choose the best checkpoint"),
            (starter.n_testing, "test"),
        )
        if n
    ]
    return {
        "Folder": str(starter.cohort.root),
        "Layout": starter.cohort.layout,
        "Labelled subjects": f"{starter.n_labelled}: {', '.join(kept)}",
        "Licence": f"{starter.licence}. It is kept with the run.",
        "Preset": starter.preset,
        "Time": f"{duration(starter.seconds)} on this machine, if nothing else runs",
    }


def duration(seconds: float) -> str:
    """Return a rough duration as text."""
    if seconds < _ROUGH_S:
        return "about a minute"
    if seconds < 2 * _HOUR_S:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / _HOUR_S:.0f} hours"
