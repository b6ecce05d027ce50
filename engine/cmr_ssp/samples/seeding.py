"""Random numbers as a pure function of seed and update, so that resuming needs no stored generator state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def generator(*numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator seeded by `numbers`: their values, order and count."""
    # SeedSequence pads with zeros: without the count, (3,) and (3, 0) would be the same seed.
    sequence = np.random.SeedSequence((len(numbers), *numbers))
    state = int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device=device).manual_seed(state)


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Random numbers for a whole batch, of which each process keeps those of its own images.

    Attributes
    ----------
    generator : torch.Generator
        On the CPU.
    whole : int
        Number of images in the whole batch.
    keep : ndarray of int, or None
        Indices of the images of this process; None means all.
    """

    generator: torch.Generator
    whole: int
    keep: NDArray[np.int64] | None = None

    def rand(self, *shape: int) -> Tensor:
        """Draw uniform numbers for the images of this process, shape (image, *shape)."""
        return self.kept(self.rand_whole(*shape))

    def rand_whole(self, *shape: int) -> Tensor:
        """Draw uniform numbers for the whole batch, shape (whole, *shape)."""
        return torch.rand(self.whole, *shape, generator=self.generator)

    def kept(self, values: Tensor) -> Tensor:
        """Select the values of the images of this process."""
        return values if self.keep is None else values[torch.from_numpy(self.keep)]
