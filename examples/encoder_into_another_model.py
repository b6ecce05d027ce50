"""Put a pretrained encoder under a head that tells which third of the heart a slice is from.

Shows how to take the encoder of a run, and how to make images like those that it was trained on.

    python examples/encoder_into_another_model.py --out example
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cmr_ssp
import numpy as np
import torch
from cmr_ssp.phantoms import write_phantom_cohort
from cmr_ssp.prediction import PretrainedEncoder
from cmr_ssp.samples.views import make_views
from torch import Tensor, nn


class Classifier(nn.Module):
    """The encoder's lowest resolution, averaged over the image, and a linear layer."""

    def __init__(self, encoder: PretrainedEncoder, n_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.description.channels[-1], n_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(images)[-1].mean(dim=(2, 3)))
        return logits


def main(out: Path, updates: int) -> None:
    write_phantom_cohort(out / "cohort", 6, seed=4, n_frames=4)
    cohort = cmr_ssp.open_cohort(out / "cohort")
    recipe = cmr_ssp.load_recipe("mim/demo", [f"updates={updates}"])
    model = Classifier(cmr_ssp.load_encoder(cmr_ssp.pretrain(cohort, recipe, out / "mim")), 3)

    bank, cpu = cmr_ssp.SliceBank.of(cohort, out / "banks"), torch.device("cpu")
    thirds = torch.from_numpy(3 * bank.relative_position).long()  # 0 is at the base
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for update in range(updates):
        chosen = np.random.default_rng(update).integers(len(bank), size=16)
        # Crops around the heart, of the pixel spacing that the encoder knows, without augmentation.
        views = make_views(bank, chosen, recipe.crop, None, (update,), cpu, with_labels=False)
        loss = nn.functional.cross_entropy(model(views.images), thirds[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"loss of the last batch: {loss.item():.3f} (chance: 1.099)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="new folder for everything that is made")
    parser.add_argument("--updates", type=int, default=200, help="of pretraining and of classification")
    main(**vars(parser.parse_args()))
