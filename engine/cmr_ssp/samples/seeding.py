"""Random numbers as a pure function of a seed and a place in the training, so that nothing need be stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def generator(*numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator that depends on all of `numbers`, in order, and on how many they are."""
    # A seed sequence goes on with zeros: without their number, 3 and 3, 0 would be one seed.
    sequence = np.random.SeedSequence((len(numbers), *numbers))
    state = int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device=device).manual_seed(state)


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Numbers drawn for every image of a batch, of which a process that has only some of them keeps its own.

    Attributes
    ----------
    generator : torch.Generator
        On the CPU.
    whole : int
        Images in the whole batch.
    keep : ndarray of int, or None
        Which of them are here; None is all.
    """

    generator: torch.Generator
    whole: int
    keep: NDArray[np.int64] | None = None

    def rand(self, *shape: int) -> Tensor:
        """Return uniform numbers for the images that are here, shape (image, *shape)."""
        return self.kept(self.rand_whole(*shape))

    def rand_whole(self, *shape: int) -> Tensor:
        """Return uniform numbers for the whole batch, shape (whole, *shape)."""
        return torch.rand(self.whole, *shape, generator=self.generator)

    def kept(self, values: Tensor) -> Tensor:
        """Return the values of the images that are here."""
        return values if self.keep is None else values[torch.from_numpy(self.keep)]
