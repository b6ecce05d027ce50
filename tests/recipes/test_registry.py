"""The registry of pretraining methods: built-in ones, those of other packages, and broken ones."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest
from cmr_ssp.errors import RecipeError, Severity
from cmr_ssp.recipes import (
    PretrainRecipe,
    SegmentationRecipe,
    load_recipe,
    method,
    method_names,
    method_problems,
    parse_recipe,
    registry,
)
from places import ROOT

Provide = Callable[..., None]
BUILT_IN = tuple(name.rpartition(".")[2] for name in registry._BUILT_IN)


@pytest.fixture
def provide(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provide]:
    """Provide objects by entry points of another package."""

    def given(**objects: object) -> None:
        monkeypatch.setitem(sys.modules, "someones", SimpleNamespace(**objects))  # type: ignore[arg-type]
        points = [EntryPoint(name, f"someones:{name}", registry.ENTRY_POINTS) for name in objects]
        points.append(EntryPoint("gone", "no_such_package:METHOD", registry.ENTRY_POINTS))
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        registry._found.cache_clear()

    yield given
    registry._found.cache_clear()


def test_built_in_methods_come_first_and_mim_before_all() -> None:
    assert method_names()[: len(BUILT_IN)] == BUILT_IN
    assert BUILT_IN[0] == "mim"


def test_the_import_contract_names_every_built_in_method() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (named,) = (c["layers"][0] for c in contracts if c.get("containers") == ["cmr_ssp.methods"])
    assert {name.strip() for name in named.split("|")} == set(BUILT_IN), "and run make layers"


def test_a_method_of_another_package_is_like_a_built_in_one(provide: Provide) -> None:
    provide(theirs=replace(method("simclr"), name="theirs", title="Theirs"))
    assert method_names()[-1] == "theirs"
    assert method("theirs").title == "Theirs"


def test_broken_methods_are_named_and_the_others_work(provide: Provide) -> None:
    provide(taken=method("mim"), training=replace(method("mim"), name="scratch"), number=3)
    assert method_names() == BUILT_IN
    problems = method_problems()
    assert all(problem.severity is Severity.WARNING for problem in problems)
    told = {problem.where.split("'")[1]: problem.what for problem in problems}
    assert "ModuleNotFoundError" in told["gone"]
    assert "already" in told["taken"] and "already" in told["training"]
    assert "is not a cmr_ssp.recipes.Method" in told["number"]


def test_an_unknown_method_says_what_could_be_meant(provide: Provide) -> None:
    provide()
    for ask in (lambda: method("rotation"), lambda: parse_recipe({"method": "rotation"}, "recipe.yaml")):
        with pytest.raises(RecipeError, match="rotation") as caught:
            ask()
        assert "install the package" in caught.value.problems[0].remedy
        assert "no_such_package" in str(caught.value)


def test_an_objective_that_cannot_be_imported_is_named() -> None:
    for objective in ("no_such_package:Objective", "cmr_ssp.recipes:Objective", "Objective"):
        with pytest.raises(RecipeError, match=r"'mim'.*cannot be imported"):
            replace(method("mim"), objective=objective).load_objective()


def test_a_recipe_of_a_kind_is_of_that_type_or_refused() -> None:
    assert load_recipe("mim/paper", kind=PretrainRecipe).method == "mim"
    assert load_recipe("scratch/paper", kind=SegmentationRecipe).prediction.flips in (True, False)
    with pytest.raises(RecipeError, match="'finetune', which cannot be used here") as caught:
        load_recipe("finetune/paper", kind=PretrainRecipe)
    assert " or ".join(BUILT_IN) in caught.value.problems[0].remedy
