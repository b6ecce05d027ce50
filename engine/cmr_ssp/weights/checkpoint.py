"""Checkpoints as one safetensors file: tensors, and everything else as JSON in its header.

Nothing is unpickled, so untrusted checkpoints are safe to open. A digest of tensors and header detects
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
from cmr_ssp.runs.header import FORMAT, HEADER_KEY, open_checkpoint

_PARTS = {"format", "network", "optimiser", "tally", "recipe", "provenance", "scores"}
_TRAINED = "trained"
"""A part that only a checkpoint with an average has."""
_TENSOR = "tensor:"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The state of a training after an update.

    Attributes
    ----------
    network : Mapping of str to Tensor
        The state of the network that predicts; it can be a moving average.
    optimiser : Mapping
        The optimiser's state.
    tally : Mapping
        Number of finished updates (``update``) and other state of the training loop.
    recipe : Recipe
        Recipe of the run.
    provenance : Provenance
        Data that the network has seen.
    scores : Mapping of str to float
        Most recent validation measures.
    trained : Mapping of str to Tensor or None
        The state that training continues from, if `network` is its average.
    problems : tuple of Problem
        Warnings about checks that were not possible on reading; not stored.
    """

    network: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    tally: Mapping[str, Any]
    recipe: Recipe
    provenance: Provenance
    scores: Mapping[str, float]
    trained: Mapping[str, Tensor] | None = None
    problems: tuple[Problem, ...] = ()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically; the same state gives the same bytes.

    Raises
    ------
    CheckpointError
        If a weight is not finite; an existing file is kept.
    OutputError
        If it cannot be written; an existing file is kept.
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
    if checkpoint.trained is not None:
        about[_TRAINED] = _strip(dict(checkpoint.trained), _TRAINED, tensors)
    if (broken := _not_finite(tensors)) is not None:
        remedy = "Lower optimiser.learning_rate or set optimiser.max_gradient_norm; the file before stays."
        raise CheckpointError.of(path, f"its weights would not be finite ({broken})", remedy)
    about["digest"] = _digest(about, tensors)
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={HEADER_KEY: json.dumps(about)})
        except SafetensorError as error:  # raised by safetensors if the disk is full
            raise OSError(str(error)) from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or not a checkpoint, or has a weight that is not finite.
    """
    with open_checkpoint(path, "pt") as (file, about):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        problems = _checked(path, about, tensors)
        return Checkpoint(
            _network(_fill(about["network"], tensors)),
            _fill(about["optimiser"], tensors),
            about["tally"],
            parse_recipe(about["recipe"], str(path)),
            Provenance.from_dict(about["provenance"]),
            about["scores"],
            _network(_fill(about[_TRAINED], tensors)) if _TRAINED in about else None,
            problems,
        )


def _checked(path: Path, about: dict[str, Any], tensors: Mapping[str, Tensor]) -> tuple[Problem, ...]:
    """Verify the digest; return warnings about a checkpoint of an earlier version without digest."""
    stored = about.pop("digest", None)
    if set(about) - {_TRAINED} != _PARTS or (stored is not None and stored != _digest(about, tensors)):
        what = "is damaged: its content does not match its digest"
        raise CheckpointError.of(path, what, "Copy the file again, or resume or repeat the run.")
    if (broken := _not_finite(tensors)) is not None:
        what = f"has weights that are not finite ({broken})"
        raise CheckpointError.of(path, what, "Choose another checkpoint, or train at a lower rate.")
    if stored is not None:
        return ()
    what = "was written by an earlier version, without a digest to detect damage"
    return (Problem.warning(path, what, "Resume or repeat the run to get one."),)


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of a tensor with a NaN or infinity."""
    floating = (name for name, tensor in tensors.items() if tensor.is_floating_point())
    return next((name for name in floating if not bool(torch.isfinite(tensors[name]).all())), None)


def _digest(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of everything in a checkpoint except the digest."""
    digest = hashlib.sha256(json.dumps(about).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _network(state: Any) -> dict[str, Tensor]:
    """Check that the state of a network maps names to tensors, and return it."""
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise TypeError("its network is not a list of weights")
    return state


def _strip(tree: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Move the tensors of a nested state to `tensors`, leaving their names; pairs preserve integer keys."""
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
