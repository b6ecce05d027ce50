"""What tells runs apart in tables, wherever their folders lie and whatever they are called."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cmr_ssp.evaluation import DIGEST_DIGITS
from cmr_ssp.recipes import Recipe
from cmr_ssp.runs.provenance import Provenance

_HOW_AND_HOW_LONG = {
    "epochs",
    "updates",
    "threads",
    "precision",
    "micro_batch",
    "checkpoint_every",
    "records_every",
}


def run_id(recipe: Recipe, provenance: Provenance) -> str:
    """Return a digest of what a run trains, on whom, and from which weights.

    How long and on what machine it trains is not in it: a run keeps its id while it is resumed, and running
    the same thing again gives the same id. The digest of the checkpoint tells such runs apart.
    """
    settings = recipe.model_dump(mode="json", exclude_defaults=True, exclude=_HOW_AND_HOW_LONG)
    seen = provenance.as_dict()
    del seen["machine"]
    return _digest({"method": recipe.method, "settings": settings, "seen": seen})


def data_id(provenance: Provenance) -> str:
    """Return a digest of the cines that a run is trained on, whatever their subjects are called."""
    seen = {**provenance.pretraining, **provenance.training}
    return _digest(sorted(seen.values()))


def _digest(tree: Any) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:DIGEST_DIGITS]
