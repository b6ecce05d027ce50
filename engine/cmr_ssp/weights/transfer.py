"""Transfer pretrained weights to another network (see docs/methods.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from cmr_ssp.errors import CheckpointError, Problem


@dataclass(frozen=True, slots=True)
class TransferReport:
    """Names of the tensors that were loaded, left out on purpose, or missing in the source."""

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]


def transfer_weights(
    source: Mapping[str, Tensor], target: nn.Module, parts: Sequence[str], where: str
) -> TransferReport:
    """Copy the tensors of the named parts, such as ``encoder`` and ``decoder``.

    Raises
    ------
    CheckpointError
        If the sizes of the networks differ; nothing is copied then.
    """
    state = target.state_dict()
    prefixes = tuple(f"{part}." for part in parts)
    wanted = {name: tensor for name, tensor in source.items() if name.startswith(prefixes)}
    needed = {name for name in state if name.startswith(prefixes)}
    misfits = sorted(needed ^ set(wanted)) + [
        name for name in wanted if name in needed and state[name].shape != wanted[name].shape
    ]
    if misfits or not wanted:
        what = f"its network has other sizes ({', '.join(misfits[:3]) or 'no such part'})"
        remedy = "Use the preset that matches the pretraining, or pretrain with the same network.channels."
        raise CheckpointError(Problem(where, what, remedy))
    target.load_state_dict(wanted, strict=False)
    return TransferReport(
        tuple(wanted),
        tuple(name for name in source if name not in wanted),
        tuple(name for name in state if name not in wanted),
    )
