"""Questions to the user before jobs are stopped, or edits or ticks are lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QWidget

_ROLE = QMessageBox.ButtonRole
_MAX_NAMED = 8


class Leaving(Enum):
    """Answer to the question about running jobs when the dock is closed."""

    KEEP_RUNNING = "Keep running"
    STOP = "Stop and keep"
    CANCEL = "Cancel"


def describe_losses(jobs: Sequence[str], edits: Sequence[str], drafts: Sequence[str] = ()) -> str:
    """Describe what closing the window would stop, lose and leave unsaved; empty if nothing.

    Parameters
    ----------
    jobs : sequence of str
        Titles of running and waiting jobs.
    edits : sequence of str
        Names of layers with unsaved edits.
    drafts : sequence of str
        Names of unsaved contours of which a draft is kept.
    """
    parts = []
    if jobs:
        which = "This job stops" if len(jobs) == 1 else "These jobs stop"
        parts.append(_listed(f"{which}; training progress is saved:", jobs))
    if edits:
        parts.append(_listed("These unsaved edits will be lost:", edits))
    if drafts:
        parts.append(
            _listed("These contours are not saved; a draft is offered when their exam is shown:", drafts)
        )
    return "\n\n".join(parts)


def _listed(title: str, names: Sequence[str]) -> str:
    shown = [f"  • {name}" for name in names[:_MAX_NAMED]]
    more = len(names) - len(shown)
    return "\n".join([title, *shown, *([f"  • and {more} more"] if more else [])])


def may_close(parent: QWidget, jobs: Sequence[str], edits: Sequence[str], drafts: Sequence[str] = ()) -> bool:
    """Return whether the window may close; ask the user if jobs or edits would be lost."""
    text = describe_losses(jobs, edits, drafts)
    if not text:
        return True
    box = _box(parent, "Close the window?", text)
    close = box.addButton("Close", _ROLE.DestructiveRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    return box.clickedButton() is close


def ask_about_jobs(parent: QWidget, jobs: Sequence[str], then: Callable[[Leaving], None]) -> None:
    """Ask what to do with running jobs after the dock was closed, and call `then` with the answer."""
    title = "The panel is closed. This job is still running:" if len(jobs) == 1 else "Jobs still running:"
    box = _box(parent, "Jobs are running", _listed(title, jobs))
    buttons = [
        (box.addButton(Leaving.KEEP_RUNNING.value, _ROLE.AcceptRole), Leaving.KEEP_RUNNING),
        (box.addButton(Leaving.STOP.value, _ROLE.DestructiveRole), Leaving.STOP),
        (box.addButton(Leaving.CANCEL.value, _ROLE.RejectRole), Leaving.CANCEL),
    ]

    def answer(_: int) -> None:
        chosen = box.clickedButton()
        then(next((each for button, each in buttons if button is chosen), Leaving.CANCEL))

    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.finished.connect(answer)
    box.open()


def ask_about_ticks(parent: QWidget, n_subjects: int) -> bool | None:
    """Ask whether to add drawn ticks to those set by hand; None if the user cancels."""
    subjects = "1 subject is" if n_subjects == 1 else f"{n_subjects} subjects are"
    box = _box(parent, "Tick drawn", f"{subjects} already ticked, some manually.")
    replace = box.addButton("Replace", _ROLE.DestructiveRole)
    add = box.addButton("Keep and add", _ROLE.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    chosen = box.clickedButton()
    return None if chosen not in (replace, add) else chosen is add


def _box(parent: QWidget, title: str, text: str) -> QMessageBox:
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text)
    return box
