"""Checkpoints as one safetensors file: tensors, and everything else as JSON in its header.

Nothing is ever unpickled, so a checkpoint from a stranger can be opened. A digest of tensors and header shows
damage. `cmr_ssp.runs` reads the header alone, without torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from cmr_ssp.atomic import replacing
from cmr_ssp.errors import CheckpointError, Problem
from cmr_ssp.recipes import Recipe, parse_recipe
from cmr_ssp.runs import Provenance
from cmr_ssp.runs.header import FORMAT, HEADER_KEY, opened_checkpoint

_PARTS = {"format", "network", "optimiser", "tally", "recipe", "provenance", "scores"}
_TENSOR = "tensor:"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The state of a training after some update.

    Attributes
    ----------
    network : Mapping of str to Tensor
        The network's state.
    optimiser : Mapping
        The optimiser's state.
    tally : Mapping
        Number of updates done (``update``) and what else the loop remembers.
    recipe : Recipe
        What is being run.
    provenance : Provenance
        What the network has seen.
    scores : Mapping of str to float
        What was last measured.
    problems : tuple of Problem
        What could not be checked when it was read (warnings); not stored.
    """

    network: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    tally: Mapping[str, Any]
    recipe: Recipe
    provenance: Provenance
    scores: Mapping[str, float]
    problems: tuple[Problem, ...] = ()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically; the same state gives the same bytes.

    Raises
    ------
    CheckpointError
        Where a weight is not a finite number; what lay there stays.
    OutputError
        Where it cannot be written; what lay there stays.
    """
    tensors: dict[str, Tensor] = {}
    about = {
        "format": FORMAT,
        "network": _strip(dict(checkpoint.network), "network", tensors),
        "optimiser": _strip(dict(checkpoint.optimiser), "optimiser", tensors),
        "tally": dict(checkpoint.tally),
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "provenance": checkpoint.provenance.as_dict(),
        "scores": dict(checkpoint.scores),
    }
    if (broken := _not_finite(tensors)) is not None:
        remedy = "Lower optimiser.learning_rate or set optimiser.max_gradient_norm; the file before stays."
        raise CheckpointError.of(path, f"its weights would not be finite ({broken})", remedy)
    about["digest"] = _digest(about, tensors)
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={HEADER_KEY: json.dumps(about)})
        except SafetensorError as error:  # what safetensors makes of a full disk
            raise OSError(str(error)) from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    CheckpointError
        Where the file is missing, damaged or no checkpoint of ours, or has a weight that is not finite.
    """
    with opened_checkpoint(path, "pt") as (file, about):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        problems = _checked(path, about, tensors)
        return Checkpoint(
            _network(_fill(about["network"], tensors)),
            _fill(about["optimiser"], tensors),
            about["tally"],
            parse_recipe(about["recipe"], str(path)),
            Provenance.from_dict(about["provenance"]),
            about["scores"],
            problems,
        )


def _checked(path: Path, about: dict[str, Any], tensors: Mapping[str, Tensor]) -> tuple[Problem, ...]:
    """Refuse a damaged checkpoint; return what to know of one that was written before there were digests."""
    stored = about.pop("digest", None)
    if set(about) != _PARTS or (stored is not None and stored != _digest(about, tensors)):
        what = "is damaged: its content is not what was written"
        raise CheckpointError.of(path, what, "Copy the file again, or resume or repeat the run.")
    if (broken := _not_finite(tensors)) is not None:
        what = f"has weights that are not finite ({broken})"
        raise CheckpointError.of(path, what, "Choose another checkpoint, or train at a lower rate.")
    if stored is not None:
        return ()
    what = "was written by an earlier version, without a digest that would show damage"
    return (Problem.warning(path, what, "Resume or repeat the run to get one."),)


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of a tensor that holds a NaN or an infinity."""
    floating = (name for name, tensor in tensors.items() if tensor.is_floating_point())
    return next((name for name in floating if not bool(torch.isfinite(tensors[name]).all())), None)


def _digest(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of everything in a checkpoint but itself."""
    digest = hashlib.sha256(json.dumps(about).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _network(state: Any) -> dict[str, Tensor]:
    """Return a network's state, once it is known to be one."""
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise TypeError("its network is no list of weights")
    return state


def _strip(tree: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Move the tensors of a nested state aside, leaving their names; pairs keep integer keys apart."""
    if isinstance(tree, Tensor):
        tensors[name] = tree.detach().cpu().contiguous().clone()
        return _TENSOR + name
    if isinstance(tree, Mapping):
        return {"pairs": [[key, _strip(value, f"{name}.{key}", tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        return [_strip(value, f"{name}.{place}", tensors) for place, value in enumerate(tree)]
    return tree


def _fill(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Undo `_strip`."""
    if isinstance(tree, str) and tree.startswith(_TENSOR):
        return tensors[tree.removeprefix(_TENSOR)]
    if isinstance(tree, dict):
        return {key: _fill(value, tensors) for key, value in tree["pairs"]}
    if isinstance(tree, list):
        return [_fill(value, tensors) for value in tree]
    return tree
