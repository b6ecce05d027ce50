"""``cmr-ssp recipe``: see the shipped presets."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from cmr_ssp.cli.options import Settings
from cmr_ssp.recipes import load_recipe, preset_names, recipe_yaml


def list_presets() -> None:
    """List the shipped presets."""
    console = Console(highlight=False)
    for name in preset_names():
        console.print(name)


def show(
    preset: Annotated[str, Parameter(help="One that `cmr-ssp recipe list` names.")],
    *,
    settings: Settings = None,
) -> None:
    """Print a preset with every setting as YAML, ready to be changed and given back with --recipe."""
    sys.stdout.write(recipe_yaml(load_recipe(preset, settings or ())))
