"""Keys from napari's preferences, the help, and the menus and commands of the plugin, in the real window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cmr_ssp.phantoms import write_phantom_cohort
from correcting_helpers import begin, contours_of, panel, show_subject
from npe2 import PluginManifest
from window_helpers import PLUGIN, Wait, idle, open_folder

from napari_cmr_ssp.commands import correct_contours, show_help
from napari_cmr_ssp.dock import dock_workbench
from napari_cmr_ssp.panels import CorrectController
from napari_cmr_ssp.panels.correct.keys import DEFAULT_KEYS, usable_keys
from napari_cmr_ssp.panels.correct.texts import ACTIONS, TOOLS
from napari_cmr_ssp.workbench import Workbench


@pytest.fixture
def settings(viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from napari.settings import get_plugin_settings

    monkeypatch.setattr("napari.settings._PLUGIN_SETTINGS", {})
    settings = get_plugin_settings(PLUGIN, tmp_path / "settings")  # not those of the user
    settings.jobs.workspace = str(tmp_path / "work")
    return settings


@pytest.fixture
def bench(viewer: Any, settings: Any, tmp_path: Path, wait: Wait) -> Iterator[Workbench]:
    write_phantom_cohort(tmp_path / "cohort", 2, seed=3)
    bench = dock_workbench(viewer)
    open_folder(bench, tmp_path / "cohort", wait)
    show_subject(bench, 0, wait)
    yield bench
    bench.close_down()


def keymap(shown: Any) -> dict[str, Any]:
    return {str(key): act for key, act in shown.layer.keymap.items()}


def test_the_preferences_have_every_key_with_its_default() -> None:
    manifest = PluginManifest.from_distribution(PLUGIN)
    keys = manifest.contributions.configurations["contour_keys"].properties
    assert {name.replace("_", " "): each.default for name, each in keys.items()} == dict(DEFAULT_KEYS)
    assert usable_keys({}) == (dict(DEFAULT_KEYS), [])
    assert set(DEFAULT_KEYS) <= {
        *TOOLS,
        *ACTIONS,
        "switch endo and epi",
        "structure RV",
        "hide",
        "set ED",
        "set ES",
    }


@pytest.mark.parametrize(
    ("chosen", "expected", "n_problems"),
    [
        ({"smooth": "ctrl-m"}, {"smooth": "Ctrl+M"}, 0),
        ({"smooth": " f5 "}, {"smooth": "F5"}, 0),
        ({"push": "C", "draw": "P"}, {"push": "C", "draw": "P"}, 0),
        ({"push": "C"}, {"push": "P", "draw": "C"}, 1),
        ({"push": "Q", "draw": "Q"}, {"push": "P", "draw": "C"}, 2),
        ({"push": "C", "draw": "B", "brush": "M"}, {"push": "C", "draw": "B", "brush": "M"}, 0),
        ({"push": "C", "draw": "B", "brush": "Ctrl+"}, {"push": "P", "draw": "C", "brush": "B"}, 3),
        ({"push": "nonsense"}, {"push": "P"}, 1),
        ({"push": "Ctrl"}, {"push": "P"}, 1),
        ({"push": "A B"}, {"push": "P"}, 1),
        ({"push": "", "draw": ""}, {}, 0),
    ],
)
def test_wrong_and_shared_keys_become_the_default(
    chosen: dict[str, str], expected: dict[str, str], n_problems: int
) -> None:
    keys, problems = usable_keys(chosen)
    assert {name: keys[name] for name in chosen if name in keys} == {
        name: key for name, key in expected.items() if name in chosen
    }
    assert len(problems) == n_problems and all("Preferences" in each.remedy for each in problems)
    assert len(set(keys.values())) == len(keys)


def test_a_changed_key_acts_at_once_and_shows_in_tool_tips_and_help(bench: Workbench, settings: Any) -> None:
    shown, view = begin(bench), panel(bench).view
    bench.help_button.click()
    assert "(O)" in view.buttons["smooth"].toolTip()
    settings.contour_keys.smooth = "Ctrl+M"
    settings.contour_keys.push = "F6"
    keys = keymap(shown)
    assert "O" not in keys and "P" not in keys
    keys["F6"](shown.layer)
    assert view.tools.value == "push"
    keys["Ctrl+M"](shown.layer)
    assert "(Ctrl+M)" in view.buttons["smooth"].toolTip()
    assert "(F6)" in view.tools.buttons["push"].toolTip()
    page = bench.help.page.toPlainText()
    assert "Ctrl+M" in page and "F6" in page and "Accept frame" in page


def test_other_exams_and_later_contours_have_the_changed_keys(
    bench: Workbench, settings: Any, wait: Wait
) -> None:
    first = begin(bench)
    show_subject(bench, 1, wait)
    settings.contour_keys.hide = "F7"
    second = begin(bench)
    assert "F7" in keymap(second) and "H" not in keymap(second)
    show_subject(bench, 0, wait)
    assert contours_of(bench) is first
    assert "F7" in keymap(first) and "H" not in keymap(first)


def test_a_wrong_key_is_named_until_it_is_mended(bench: Workbench, settings: Any) -> None:
    shown, view = begin(bench), panel(bench).view
    settings.contour_keys.accept_slice = "Shift+"
    assert "Shift+" in view.key_problems.text() and view.key_problems.isVisibleTo(view)
    assert "A" in keymap(shown)
    settings.contour_keys.accept_slice = "Shift+B"
    assert not view.key_problems.isVisibleTo(view)
    assert "A" not in keymap(shown) and "Shift+B" in keymap(shown)


def test_the_preferences_dialog_shows_and_stores_keys(bench: Workbench, viewer: Any, settings: Any) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog(parent=viewer.window._qt_window)
    try:
        names = [dialog._list.item(row).text() for row in range(dialog._list.count())]
        assert any("Cardiac MR" in name for name in names)
        shown = begin(bench)
        settings.contour_keys.undo = "F8"
        assert "F8" in keymap(shown)
    finally:
        dialog.close()


def test_menus_and_commands_open_the_workbench(viewer: Any, settings: Any, wait: Wait) -> None:
    from napari._app_model import get_app_model

    manifest = PluginManifest.from_distribution(PLUGIN)
    app = get_app_model()
    for menu, items in manifest.contributions.menus.items():
        listed = {item.command.id for item in app.menus.get_menu(menu) if hasattr(item, "command")}
        for item in items:
            assert any(item.command in each for each in listed), (menu, listed)
    correct_contours()
    bench = dock_workbench(viewer)
    assert bench.tabs.tabText(bench.tabs.currentIndex()) == CorrectController.title
    show_help()
    assert bench.help.isVisible()
    page = bench.help.page.toPlainText()
    assert "research use only" in page and "Start correcting" in page and "http" not in page
    bench.help.close()
    wait(lambda: idle(bench))
    bench.close_down()
