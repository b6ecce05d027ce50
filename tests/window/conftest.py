from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from window_helpers import PLUGIN, Wait

from napari_cmr_ssp import preferences

PATIENCE_MS = 60_000


@pytest.fixture(autouse=True)
def documents(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the window remembers out of the user's documents."""
    folder = tmp_path_factory.mktemp("documents")
    monkeypatch.setattr(preferences, "default_workspace", lambda: folder)


@pytest.fixture
def wait(qtbot: Any) -> Wait:
    """Return a function that processes Qt events until a condition holds."""
    return lambda condition: qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE_MS)


@pytest.fixture
def viewer(npe2pm: Any, make_napari_viewer: Callable[[], Any]) -> Iterator[Any]:
    """Return a viewer with this plugin; otherwise tests see no installed plugins."""
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield make_napari_viewer()
