"""Self-supervised pretraining and few-label segmentation of cardiac MR cine stacks.

The names below are what a script or a notebook needs; the modules behind them have the rest. They are
imported when they are first used, so that ``import cmr_ssp`` costs nothing, and listing a cohort loads no
torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmr_ssp.api.data import open_cine as open_cine
    from cmr_ssp.api.data import open_cohort as open_cohort
    from cmr_ssp.api.data import read_segmentation as read_segmentation
    from cmr_ssp.api.networks import load_encoder as load_encoder
    from cmr_ssp.api.networks import load_network as load_network
    from cmr_ssp.api.prediction import evaluate as evaluate
    from cmr_ssp.api.prediction import segment as segment
    from cmr_ssp.api.recipes import list_methods as list_methods
    from cmr_ssp.api.recipes import list_recipes as list_recipes
    from cmr_ssp.api.recipes import load_recipe as load_recipe
    from cmr_ssp.api.training import finetune as finetune
    from cmr_ssp.api.training import pretrain as pretrain
    from cmr_ssp.errors import CmrSspError as CmrSspError
    from cmr_ssp.files import open_stack as open_stack
    from cmr_ssp.samples.bank.slices import SliceBank as SliceBank

__version__ = "0.1.0"

_PLACES = {
    "CmrSspError": "cmr_ssp.errors",
    "SliceBank": "cmr_ssp.samples.bank.slices",
    "evaluate": "cmr_ssp.api.prediction",
    "finetune": "cmr_ssp.api.training",
    "list_methods": "cmr_ssp.api.recipes",
    "list_recipes": "cmr_ssp.api.recipes",
    "load_encoder": "cmr_ssp.api.networks",
    "load_network": "cmr_ssp.api.networks",
    "load_recipe": "cmr_ssp.api.recipes",
    "open_cine": "cmr_ssp.api.data",
    "open_cohort": "cmr_ssp.api.data",
    "open_stack": "cmr_ssp.files",
    "pretrain": "cmr_ssp.api.training",
    "read_segmentation": "cmr_ssp.api.data",
    "segment": "cmr_ssp.api.prediction",
}

__all__ = [
    "CmrSspError",
    "SliceBank",
    "evaluate",
    "finetune",
    "list_methods",
    "list_recipes",
    "load_encoder",
    "load_network",
    "load_recipe",
    "open_cine",
    "open_cohort",
    "open_stack",
    "pretrain",
    "read_segmentation",
    "segment",
]


def __getattr__(name: str) -> object:
    """Import a name from its place when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'cmr_ssp' has no attribute '{name}'")
    found = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return every name, those that are not imported yet too."""
    return sorted({*globals(), *__all__})
