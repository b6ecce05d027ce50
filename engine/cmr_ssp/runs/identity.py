"""Identifiers of runs in tables, independent of the place and name of their folders."""

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
    """Return a digest of the recipe, data and initial weights of a run.

    Length and machine are not included: a run keeps its id when it is resumed, and repeating it gives the
    same id. The digests of the checkpoints distinguish such runs.
    """
    settings = recipe.model_dump(mode="json", exclude_defaults=True, exclude=_HOW_AND_HOW_LONG)
    seen = provenance.as_dict()
    del seen["machine"]
    seen.pop("data_licences", None)
    return _digest({"method": recipe.method, "settings": settings, "seen": seen})


def data_id(provenance: Provenance) -> str:
    """Return a digest of the cines of a run, independent of subject ids."""
    seen = {**provenance.pretraining, **provenance.training}
    return _digest(sorted(seen.values()))


def _digest(tree: Any) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:DIGEST_DIGITS]
