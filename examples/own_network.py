"""Train a network of one's own on slices from a slice bank.

Shows what a sample holds, and that a plain DataLoader batches slices of different sizes.

    python examples/own_network.py --out example
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cmr_ssp
import torch
from cmr_ssp.anatomy import N_CLASSES, Phase
from cmr_ssp.phantoms import write_phantom_cohort
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Subset


def make_network() -> nn.Module:
    """Return a few dilated convolutions, which take images of any size."""
    layers: list[nn.Module] = []
    for inputs, dilation in ((1, 1), (16, 2), (16, 4), (16, 8)):
        layers += [nn.Conv2d(inputs, 16, 3, padding="same", dilation=dilation), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(16, N_CLASSES, 1))


def main(out: Path, subjects: int, epochs: int) -> None:
    write_phantom_cohort(out / "cohort", subjects, seed=2, n_frames=4)
    bank = cmr_ssp.SliceBank.of(cmr_ssp.open_cohort(out / "cohort"), out / "banks")
    sample = bank[0]
    print(len(bank), "slices; the first:", sample["subject"], tuple(sample["image"].shape))

    labelled = Subset(bank, bank.samples(phases=tuple(Phase)).tolist())
    network = make_network()
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for epoch in range(epochs):
        for batch in DataLoader(labelled, batch_size=8, shuffle=True):
            labels = batch["labels"][:, 0].long()  # 0, LV 1, MYO 2, RV 3
            loss = functional.cross_entropy(network(batch["image"]), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")
    torch.save(network.state_dict(), out / "network.pt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="new folder for everything that is made")
    parser.add_argument("--subjects", type=int, default=4, help="synthetic hearts")
    parser.add_argument("--epochs", type=int, default=5)
    main(**vars(parser.parse_args()))
