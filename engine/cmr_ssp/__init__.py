"""Self-supervised pretraining and few-label segmentation of cardiac MR cine stacks.

The names below are what a script or a notebook needs; the modules behind them have the rest. They are
imported when they are first used, so that ``import cmr_ssp`` costs nothing, and listing a cohort loads no
torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmr_ssp.api import evaluate as evaluate
    from cmr_ssp.api import finetune as finetune
    from cmr_ssp.api import list_methods as list_methods
    from cmr_ssp.api import load_recipe as load_recipe
    from cmr_ssp.api import open_cohort as open_cohort
    from cmr_ssp.api import pretrain as pretrain
    from cmr_ssp.api import read_segmentation as read_segmentation
    from cmr_ssp.api import segment as segment
    from cmr_ssp.errors import CmrSspError as CmrSspError
    from cmr_ssp.files import open_cine as open_cine
    from cmr_ssp.files import open_stack as open_stack

__version__ = "0.1.0"

_PLACES = {
    "CmrSspError": "cmr_ssp.errors",
    "evaluate": "cmr_ssp.api",
    "finetune": "cmr_ssp.api",
    "list_methods": "cmr_ssp.api",
    "load_recipe": "cmr_ssp.api",
    "open_cine": "cmr_ssp.files",
    "open_cohort": "cmr_ssp.api",
    "open_stack": "cmr_ssp.files",
    "pretrain": "cmr_ssp.api",
    "read_segmentation": "cmr_ssp.api",
    "segment": "cmr_ssp.api",
}

__all__ = [
    "CmrSspError",
    "evaluate",
    "finetune",
    "list_methods",
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
