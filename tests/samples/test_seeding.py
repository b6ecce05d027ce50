"""Random numbers as a function of a seed and a place in the training."""

from __future__ import annotations

import torch
from cmr_ssp.samples.seeding import generator


def test_every_list_of_numbers_has_its_own_stream() -> None:
    lists = [(), (0,), (0, 0), (3,), (0, 3), (3, 0), (0, 3, 0), (0, 3, 0, 0), (1 << 31, 3), (3, 1 << 31)]
    drawn = [torch.rand(4, generator=generator(*numbers)) for numbers in lists]
    assert len({tuple(values.tolist()) for values in drawn}) == len(lists)
    assert torch.equal(drawn[4], torch.rand(4, generator=generator(0, 3)))
