"""The JSON header of a checkpoint; reading it does not import torch.

`cmr_ssp.weights` reads and writes the tensors. The header is a single JSON text under one key: safetensors
writes several keys in random order, but equal states must give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from cmr_ssp.errors import CheckpointError, RecipeError
from cmr_ssp.recipes import Recipe, parse_recipe
from cmr_ssp.runs.provenance import Provenance
from cmr_ssp.runs.tensor_files import open_tensors

FORMAT = "cmr-ssp checkpoint 1"
HEADER_KEY = "cmr_ssp"
_UNREADABLE = (
    SafetensorError,
    OSError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)


@dataclass(frozen=True, slots=True, eq=False)
class CheckpointHeader:
    """The content of a checkpoint without its tensors.

    Attributes
    ----------
    update : int
        Finished updates.
    recipe : Recipe
        Recipe of the run.
    provenance : Provenance
        Data that the network has seen.
    validated : bool
        Whether validation determined the best checkpoint up to this one, not the training loss.
    """

    update: int
    recipe: Recipe
    provenance: Provenance
    validated: bool


def read_checkpoint_header(path: Path) -> CheckpointHeader:
    """Read a checkpoint without its tensors.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or not a checkpoint.
    """
    with open_checkpoint(path, "np") as (_, about):
        recipe, tally = parse_recipe(about["recipe"], str(path)), about["tally"]
        provenance = Provenance.from_dict(about["provenance"])
        return CheckpointHeader(int(tally["update"]), recipe, provenance, bool(tally.get("best_validated")))


@contextmanager
def open_checkpoint(path: Path, framework: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Open a checkpoint and yield the file and its header.

    Parameters
    ----------
    path : Path
        The checkpoint.
    framework : str
        Type of the tensors: ``pt`` or ``np``.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or not a checkpoint.
    """
    remedy = "Choose the run folder that training wrote, or copy the file again."
    try:
        with open_tensors(path, framework) as file:
            about = json.loads((file.metadata() or {})[HEADER_KEY])
            if about["format"] != FORMAT:
                raise CheckpointError.of(path, f"is a {about['format']}", "Update napari-cmr-ssp.")
            yield file, about
    except FileNotFoundError:
        raise CheckpointError.of(path, "the checkpoint does not exist", remedy) from None
    except _UNREADABLE as error:
        raise CheckpointError.of(path, f"is not a valid checkpoint ({error})", remedy) from None
    except RecipeError as error:
        raise CheckpointError(*error.problems) from None


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a checkpoint file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
