"""A window without Qt and napari for controllers: jobs run immediately, and calls are recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cmr_ssp.errors import Problem
from cmr_ssp.events import Cancel
from psygnal import Signal

from napari_cmr_ssp.context import Context
from napari_cmr_ssp.jobs.job import Job
from napari_cmr_ssp.preferences import CurrentPreferences, Preferences
from napari_cmr_ssp.session import Session


class Calls:
    """Records calls of undefined methods as (name, arguments)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments, **_: self.calls.append((name, arguments))

    def called(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments in self.calls if called == name]


class FakeDesk(Calls):
    """Runs jobs that read immediately; jobs that compute wait until `finish` passes their result."""

    run_event = Signal(object)
    run_queued = Signal(Path)
    run_ended = Signal(Path)
    run_moved = Signal(Path, Path)
    closing = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.reserved: set[Path] = set()
        self.computed: list[tuple[Job, Callable[[Any], None] | None]] = []
        self.problems: list[Problem] = []

    def read(self, job: Job, then: Callable[[Any], None] | None = None) -> None:
        self.titles.append(job.title)
        value = job.work(lambda _: None, Cancel())
        if then is not None:
            then(value)

    def compute(self, job: Job, then: Callable[[Any], None] | None = None, **_: object) -> None:
        self.titles.append(job.title)
        self.computed.append((job, then))
        if job.run_folder is not None:
            self.run_queued.emit(job.run_folder)

    def finish(self, value: object = None) -> None:
        _, then = self.computed.pop(0)
        if then is not None:
            then(value)

    def show_problems(self, problems: Iterable[Problem]) -> None:
        self.problems += problems


class FakeScene(Calls):
    """A scene without a viewer."""

    place_changed = Signal(str)
    layer_stored = Signal(str)
    cleared = Signal()
    dropped = Signal(object)
    frame = 1
    place = (1, 0)

    def __init__(self) -> None:
        super().__init__()
        self.growing = Calls()

    def labels_to_save(self) -> None:
        return None

    def is_edited(self, *_: object) -> bool:
        return False

    def replace_dropped(self, *arguments: object) -> bool:
        self.calls.append(("replace_dropped", arguments))
        return True


def fake_context(workspace: Path, session: Session | None = None) -> Context:
    preferences = CurrentPreferences(Preferences("cpu", 1, workspace))
    return Context(session or Session(), FakeScene(), FakeDesk(), preferences, Calls())
