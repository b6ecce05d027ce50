"""Measure the memory and time that training needs with a few slices."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from cmr_ssp.recipes import Optimiser

_FEW = 2  # slices; batch norm needs two
_TRANSIENT = 2  # temporary tensors, each as large as the largest that is kept
_LIBRARIES = 64 << 20  # bytes of kernels and buffers, as measured in a first step


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Memory that training needs.

    Attributes
    ----------
    fixed_bytes : int
        Independent of the batch: weights, gradients, optimiser state and libraries.
    slice_bytes : int
        For each slice of a forward pass.
    """

    fixed_bytes: int
    slice_bytes: int

    def of(self, slices: int) -> int:
        """Return the bytes for `slices` slices per forward pass."""
        return self.fixed_bytes + slices * self.slice_bytes

    def most_slices(self, memory_bytes: int) -> int:
        """Return how many slices per forward pass fit; below 1 if none does."""
        return (memory_bytes - self.fixed_bytes) // max(1, self.slice_bytes)


def memory_need(
    network: nn.Module,
    inputs: Callable[[int], Any],
    optimiser: Optimiser,
    device: torch.device,
    precision: str,
) -> MemoryNeed:
    """Measure what a network keeps for the backward pass, with two slices and with three.

    Parameters
    ----------
    network : nn.Module
        A copy: its running statistics change.
    inputs : callable
        Returns the network inputs for a number of slices.
    optimiser : Optimiser
        Determines the optimiser state per weight.
    device : torch.device
        Device of the network.
    precision : str
        As in a recipe, but not ``auto``.
    """
    few, largest_of_few = _kept_bytes(network, inputs(_FEW), device, precision)
    more, largest = _kept_bytes(network, inputs(_FEW + 1), device, precision)
    states = 2 if optimiser.name == "adamw" else int(optimiser.momentum > 0)
    weights = sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
    trained = sum(tensor.nbytes for tensor in network.parameters() if tensor.requires_grad)
    a_slice = more - few
    copies = max(0, few - _FEW * a_slice)  # of the weights in lower precision
    fixed = _LIBRARIES + weights + trained * (1 + states) + copies
    return MemoryNeed(fixed, a_slice + _TRANSIENT * (largest - largest_of_few))


def time_training_pass(network: nn.Module, inputs: Any, device: torch.device, precision: str) -> float:
    """Return the seconds of a forward and a backward pass."""
    started = time.perf_counter()
    with _autocast(device, precision):
        outputs = network(inputs)
    several = (outputs,) if isinstance(outputs, Tensor) else outputs
    total = torch.stack([output.float().mean() for output in several if output.requires_grad]).sum()
    total.backward()  # type: ignore[no-untyped-call]
    float(total.detach())  # waits for the device
    return time.perf_counter() - started


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    kind = torch.float16 if precision == "16-mixed" else torch.bfloat16
    return torch.autocast(device.type, kind, enabled=precision.endswith("mixed"))


def _kept_bytes(network: nn.Module, inputs: Any, device: torch.device, precision: str) -> tuple[int, int]:
    """Return the bytes kept for the backward pass: in total, and of the largest tensor."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, Tensor] = {}  # keeps the tensors, so that no address is reused

    def keep(tensor: Tensor) -> int:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            kept[address] = tensor.detach()
        return address  # the tensor would hold the graph that holds it, out of reach of garbage collection

    with (
        _autocast(device, precision),
        saved_tensors_hooks(keep, lambda address: kept[address]),
    ):
        outputs = network(inputs)
    sizes = [tensor.untyped_storage().nbytes() for tensor in kept.values()]
    del outputs
    return sum(sizes), max(sizes)
