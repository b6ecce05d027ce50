"""Random numbers as a pure function of a seed and a place in the training, so that nothing need be stored."""

from __future__ import annotations

import numpy as np
import torch


def generator(*numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator that depends on all of `numbers`, in order."""
    state = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device=device).manual_seed(state)
