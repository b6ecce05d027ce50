"""``cmr-ssp recipe``: list and show presets."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from cmr_ssp.cli.options import SetOptions, Shown
from cmr_ssp.cli.terminal import make_table


def list_presets(*, terminal: Shown) -> None:
    """List the presets and their purposes."""
    from cmr_ssp.recipes import method_problems, preset_names, preset_purpose

    for problem in method_problems():
        terminal.problem(problem)
    purposes = {name: preset_purpose(name) for name in preset_names()}
    terminal.show(make_table(("preset", "purpose"), purposes.items()))
    terminal.give(presets=[{"name": name, "purpose": purpose} for name, purpose in purposes.items()])


def show(
    preset: Annotated[str, Parameter(help="Name of a preset, see `cmr-ssp recipe list`.")],
    *,
    settings: SetOptions = None,
    terminal: Shown,
) -> None:
    """Print a preset with all settings as YAML, to edit and use with --recipe."""
    from cmr_ssp.recipes import load_recipe, recipe_yaml

    recipe = load_recipe(preset, settings or ())
    terminal.show(recipe_yaml(recipe).removesuffix("\n"))
    terminal.give(recipe=recipe.model_dump(mode="json"))
