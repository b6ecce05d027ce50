"""The recipe form: fields, values and problems."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from cmr_ssp.errors import RecipeError
from cmr_ssp.methods.dino import DinoRecipe
from cmr_ssp.methods.mim import MimRecipe
from cmr_ssp.methods.pcl import PclRecipe
from cmr_ssp.methods.simclr import SimclrRecipe
from cmr_ssp.recipes import SegmentationRecipe, load_recipe, method_names, preset_names
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget
from tone_helpers import GROUNDS, components, contrast

from napari_cmr_ssp.panels.train.recipe_form import RecipeForm
from napari_cmr_ssp.panels.train.setting_fields import SettingFields
from napari_cmr_ssp.panels.train.settings import as_text, settings_of

MakeForm = Callable[..., RecipeForm]


@pytest.fixture
def make_form(qtbot: Any) -> MakeForm:
    def make(*methods: str) -> RecipeForm:
        form = RecipeForm(methods or ("mim",))
        qtbot.addWidget(form)
        return form

    return make


def fields(form: RecipeForm) -> SettingFields:
    return form.findChildren(SettingFields)[-1]


def write(form: RecipeForm, key: str, value: object) -> None:
    """Enter a value as a user does."""
    fields(form).rows[key].field.value = value


def said(form: RecipeForm, key: str) -> str:
    label = fields(form).rows[key].problem
    assert label.isHidden() is not bool(label.text())
    return label.text()


# settings of the models


@pytest.mark.parametrize("model", [MimRecipe, SimclrRecipe, PclRecipe, DinoRecipe, SegmentationRecipe])
def test_every_setting_has_a_title_of_its_own_and_a_unit_where_its_key_has_one(model: Any) -> None:
    found = list(settings_of(model))
    assert len({(setting.group, setting.title) for setting in found}) == len(found)
    for setting in found:
        assert setting.title[0].isupper() and "_" not in setting.title, setting.key
        assert setting.about.endswith(f"Setting: {setting.key}")
        for suffix, unit in (("_px", "(px)"), ("_mm", "(mm)"), ("_deg", "(degrees)")):
            assert setting.key.endswith(suffix) is setting.title.endswith(unit), setting.key


def test_limits_and_choices_come_from_the_model() -> None:
    found = {setting.key: setting for setting in settings_of(MimRecipe)}
    assert (found["augmentation.rotation_deg"].minimum, found["augmentation.rotation_deg"].maximum) == (
        0,
        180,
    )
    assert found["micro_batch"].minimum == 1 and found["micro_batch"].if_empty == "whole batch"
    assert found["schedule.per"].choices == ("epoch", "update")
    assert "Above 0" in found["optimiser.learning_rate"].about
    assert "method" not in found


@pytest.mark.parametrize(
    ("value", "text"),
    [(3e-3, "0.003"), (1e-5, "1e-5"), (3e20, "3e20"), (0.1 + 0.2, repr(0.1 + 0.2)), ((0.7, 1.4), "0.7, 1.4")],
)
def test_numbers_are_shown_short_and_exact(value: Any, text: str) -> None:
    assert as_text(value) == text
    assert isinstance(value, tuple) or float(text) == value


# presets and recipes


def test_presets_of_the_methods_come_in_order_and_the_demo_last(make_form: MakeForm) -> None:
    form = make_form("scratch", "finetune")
    names = [form._combo.itemText(i) for i in range(form._combo.count())]
    assert sorted(names) == [name for name in preset_names() if name.partition("/")[0] not in method_names()]
    assert names[0] == form.preset == "scratch/cpu-small"
    assert names[-2:] == ["scratch/demo", "finetune/demo"]
    for method in method_names():
        names = [name for name in preset_names() if name.startswith(f"{method}/")]
        form = make_form(method)
        assert {form._combo.itemText(i) for i in range(form._combo.count())} == set(names)
        assert form.preset == f"{method}/cpu-small"


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_goes_through_the_form_unchanged(make_form: MakeForm, name: str) -> None:
    form = make_form(name.partition("/")[0])
    form.set_preset(name)
    assert form.value() == load_recipe(name)
    assert form.changes() == {} and form.problems == ()
    assert form.command_line_settings() == ["--preset", name]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("optimiser.learning_rate", "1e-5", 1e-5),
        ("optimiser.learning_rate", " 0.00025 ", 0.00025),
        ("optimiser.max_gradient_norm", "", None),
        ("micro_batch", "4", 4),
        ("threads", "2", 2),
        ("network.channels", "[8 16, 32]", [8, 16, 32]),
        ("augmentation.shift", "-1, 1e-3", [-1.0, 1e-3]),
        ("optimiser.nesterov", False, False),
        ("crop.centre", "image", "image"),
        ("seed", 2**40, 2**40),
    ],
)
def test_what_is_written_is_the_recipe_here_and_on_the_command_line(
    make_form: MakeForm, key: str, text: object, value: object
) -> None:
    form = make_form()
    write(form, key, text)
    assert form.changes() == {key: value}
    _, preset, *settings = form.command_line_settings()
    assert settings[::2] == ["--set"]
    assert load_recipe(preset, settings[1::2]) == form.value() != load_recipe(preset)


def test_whatever_differs_can_be_said_on_the_command_line(make_form: MakeForm) -> None:
    form = make_form("scratch", "finetune")
    wanted = load_recipe("finetune/paper")
    form.set_preset("finetune/demo")
    form._show("finetune/demo", wanted)
    _, preset, *settings = form.command_line_settings()
    assert preset == "finetune/demo"
    assert load_recipe(preset, settings[1::2]) == wanted
    assert {"epochs=1000"} == {one for one in settings if "epochs" in one or "updates" in one}


def test_a_recipe_is_a_change_of_the_preset_that_is_closest(make_form: MakeForm) -> None:
    form = make_form("scratch", "finetune")
    recipe = load_recipe("finetune/paper", ["epochs=7", "loss.dice=0.25"])
    form.set_value(recipe)
    assert form.value() == recipe
    assert form.preset == "finetune/paper"
    assert form.changes() == {"epochs": 7, "loss.dice": 0.25}


def test_recipes_and_presets_of_other_methods_are_refused(make_form: MakeForm) -> None:
    form = make_form()
    with pytest.raises(RecipeError, match="method is mim"):
        form.set_value(load_recipe("scratch/demo"))
    with pytest.raises(RecipeError, match="mim/paper"):
        form.set_preset("scratch/demo")
    assert form.value() == load_recipe("mim/cpu-small")


def test_the_fields_follow_the_model_where_methods_differ_in_it(make_form: MakeForm) -> None:
    form = make_form("mim", "scratch")
    assert "mask.hidden" in fields(form).rows
    form.set_preset("scratch/paper")
    assert "mask.hidden" not in fields(form).rows and "loss.dice" in fields(form).rows
    assert form.value() == load_recipe("scratch/paper")


# fields


def is_shown(form: RecipeForm, key: str) -> bool:
    return fields(form).rows[key].isVisibleTo(form)


def test_the_count_that_the_recipe_uses_is_shown(make_form: MakeForm) -> None:
    form = make_form()
    assert is_shown(form, "updates") and not is_shown(form, "epochs")
    form.set_preset("mim/paper")
    assert is_shown(form, "epochs") and not is_shown(form, "updates")
    write(form, "epochs", 3)
    assert form.value().epochs == 3 and form.value().updates is None


def test_the_few_stand_open_and_the_rest_is_folded(make_form: MakeForm, qtbot: Any) -> None:
    form = make_form()
    with qtbot.waitExposed(form):
        form.show()
    sections = fields(form).sections
    groups = ["Network", "Crop", "Augmentation", "Optimiser", "Schedule", "Separate seeds"]
    assert list(sections) == ["Training", *groups]
    for key in ("updates", "batch_size", "optimiser.learning_rate", "mask.patch_px", "mask.hidden"):
        assert fields(form).rows[key].visibleRegion().boundingRect().height() > 10, key
    assert fields(form).rows["augmentation.gamma"].visibleRegion().isEmpty()
    sections["Augmentation"].expand(animate=False)
    QApplication.processEvents()
    assert not fields(form).rows["augmentation.gamma"].visibleRegion().isEmpty()


def test_changes_are_counted_where_they_are(make_form: MakeForm, qtbot: Any) -> None:
    form = make_form()
    with qtbot.waitSignal(form.changed, timeout=2000):
        write(form, "crop.size_px", 128)
        write(form, "batch_size", 8)
    assert form._state.text() == "2 settings changed"
    assert fields(form).sections["Crop"].text().endswith("1 changed")
    assert "changed" not in fields(form).sections["Training"].text()
    form.set_preset(form.preset)
    assert form._state.text() == "no changes"


def test_edits_are_told_once_when_typing_pauses(make_form: MakeForm, qtbot: Any) -> None:
    form = make_form()
    told: list[float] = []
    form.changed.connect(lambda: told.append(form.value().optimiser.learning_rate))
    line = fields(form).rows["optimiser.learning_rate"].field.native
    line.selectAll()
    qtbot.keyClicks(line, "2e-4")
    assert told == []
    qtbot.waitUntil(lambda: bool(told), timeout=2000)
    assert told == [2e-4]
    assert line.text() == "2e-4"  # as it was written


def test_the_form_fits_a_narrow_dock(make_form: MakeForm) -> None:
    for form in (make_form(), make_form("scratch", "finetune")):
        for section in fields(form).sections.values():
            section.expand(animate=False)
        form.show()
        form.resize(380, 1200)
        patience = time.monotonic() + 5  # the window system is slow on a busy machine
        while form.width() != 380 and time.monotonic() < patience:
            QApplication.processEvents()
        assert form.width() == 380
        for row in fields(form).rows.values():
            if row.isVisibleTo(form):
                right = row.mapTo(form, QPoint(row.width(), 0)).x()
                assert right <= 380 and row.field.native.width() >= 110, row.setting.key


def test_the_wheel_scrolls_the_dock_and_changes_no_field(make_form: MakeForm) -> None:
    form = make_form()
    form.show()
    spin = fields(form).rows["batch_size"].field.native
    assert not spin.hasFocus()
    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, 120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(spin, event)
    assert form.changes() == {} and not event.isAccepted()


# problems


def test_all_that_is_wrong_is_raised_at_once_and_said_under_its_field(make_form: MakeForm) -> None:
    form = make_form()
    for key, text in {
        "optimiser.learning_rate": "fast",
        "mask.hidden": "1.5",
        "network.channels": "16, 32, x",
        "augmentation.scale": "0.7",
        "threads": "0",
    }.items():
        write(form, key, text)
    with pytest.raises(RecipeError) as caught:
        form.value()
    assert len(caught.value.problems) == 5
    form._check()
    assert form.problems == caught.value.problems
    assert "valid number" in said(form, "optimiser.learning_rate")
    assert said(form, "mask.hidden") == "Input should be less than or equal to 1"
    assert said(form, "network.channels").startswith("number 3: ")
    assert said(form, "augmentation.scale").startswith("number 2: ")
    assert "greater than or equal to 1" in said(form, "threads")
    assert said(form, "batch_size") == ""
    assert form._state.text() == "5 problems"
    assert fields(form).sections["Network"].isExpanded()
    assert not fields(form).sections["Crop"].isExpanded()


def test_contradictions_are_said_under_the_settings_to_change(make_form: MakeForm) -> None:
    form = make_form()
    for key, value in {"crop.size_px": 100, "batch_size": 10, "micro_batch": "4"}.items():
        write(form, key, value)
    form._check()
    assert "is not a multiple of 16" in said(form, "crop.size_px")
    assert "not a multiple of micro_batch 4" in said(form, "batch_size")
    assert "is not a divisor of crop.size_px 100" in said(form, "mask.patch_px")
    assert form._general.isHidden()
    write(form, "augmentation.gamma", "2, 1")
    write(form, "augmentation.shift", "1, -1")
    form._check()
    assert said(form, "augmentation.gamma").startswith("2.0 is above 1.0")
    assert said(form, "augmentation.shift").startswith("1.0 is above -1.0")


def test_what_was_corrected_is_said_no_more(make_form: MakeForm, qtbot: Any) -> None:
    form = make_form()
    write(form, "mask.hidden", "2")
    qtbot.waitUntil(lambda: said(form, "mask.hidden") != "", timeout=2000)
    write(form, "mask.hidden", "0.5")
    qtbot.waitUntil(lambda: said(form, "mask.hidden") == "", timeout=2000)
    assert form.problems == ()


@pytest.mark.parametrize(("ground", "text"), GROUNDS)
def test_the_red_can_be_read_on_any_theme(make_form: MakeForm, ground: str, text: str) -> None:
    form = make_form()
    around = QWidget()
    form.setParent(around)
    around.setStyleSheet(f"QWidget {{ background-color: {ground}; color: {text}; }}")
    write(form, "mask.hidden", "2")
    form._check()
    around.show()
    label = fields(form).rows["mask.hidden"].problem
    shown = label.palette().windowText().color()
    assert shown.red() > 1.3 * max(shown.green(), shown.blue())
    assert contrast(shown.getRgbF(), components(ground)) > 4.5
    around.close()
