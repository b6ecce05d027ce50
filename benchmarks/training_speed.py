"""Slices a second that the paper's U-Net trains on: as we run it against plain fp32 contiguous training.

Both take the same steps on the same ready-made batches of 256 x 256 pixels; ours is channels last and in
the precision that ``auto`` chooses (bfloat16 where the processor computes in it). With ``--dice`` the phantom
task is trained both ways with ``scratch/cpu-small`` and scored on phantoms that neither saw.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from cmr_ssp.anatomy import N_CLASSES, Structure
from cmr_ssp.devices import autocast, choose_precision
from cmr_ssp.evaluation import mean_dice
from cmr_ssp.files import open_cohort
from cmr_ssp.finetuning import SegmentationCriterion
from cmr_ssp.jobs import JobSettings, evaluate, finetune
from cmr_ssp.networks import UNet
from cmr_ssp.phantoms import write_phantom_cohort
from cmr_ssp.recipes import SegmentationRecipe, load_recipe
from cmr_ssp.runs import Run
from cmr_ssp.subjects.split import draw_split
from cmr_ssp.training.optimiser import make_optimiser
from common import by_turns, rate, verdict

TARGET, TARGET_DICE = 2.5, 0.005
CPU = torch.device("cpu")


def steps(recipe: SegmentationRecipe, batch: int, *, plain: bool) -> Callable[[], None]:
    """Return a function that takes one step."""
    torch.manual_seed(0)
    layout = torch.contiguous_format if plain else torch.channels_last
    network = UNet(recipe.network.channels, N_CLASSES, deep_supervision=True).to(memory_format=layout)  # type: ignore[call-overload]
    optimiser = make_optimiser(network, recipe.optimiser)
    criterion = SegmentationCriterion(recipe.loss)
    size = recipe.crop.size_px
    images = torch.randn(batch, 1, size, size).contiguous(memory_format=layout)
    labels = torch.randint(0, N_CLASSES, (batch, size // 8, size // 8), dtype=torch.uint8)
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    drawn = torch.ones(batch, len(Structure), dtype=torch.bool)
    half = not plain and choose_precision("auto", CPU) != "32-true"

    def step() -> None:
        with autocast(CPU) if half else torch.enable_grad():
            outputs = [output.float() for output in network(images)]
        criterion(outputs, labels, drawn).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def dice_on_phantoms(precision: str, folder: Path, updates: int) -> float:
    """Train ``scratch/cpu-small`` on phantoms and score it on others."""
    cohort = open_cohort(folder / "cohort")
    recipe = load_recipe(
        "scratch/cpu-small", [f"updates={updates}", f"precision={precision}"], kind=SegmentationRecipe
    )
    run = Run(folder / precision)
    split = draw_split(cohort.subjects, test=0.5, seed=0)
    finetune(cohort, recipe, run, split=split, settings=JobSettings("cpu", bank_folder=folder / "banks"))
    found = mean_dice(evaluate(run, cohort, device="cpu").reported)
    assert found is not None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round; the ratio is rough")
    parser.add_argument("--dice", action="store_true", help="train on phantoms both ways, ten minutes")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    recipe = load_recipe("scratch/paper", kind=SegmentationRecipe)
    both = [steps(recipe, chosen.batch, plain=plain) for plain in (False, True)]
    for step in both:
        step()  # warm up
    ours, plain = (rate(chosen.batch, s) for s in by_turns(both, 1 if chosen.quick else chosen.rounds))
    print(f"ours: {ours:.2f} slices/s, plain: {plain:.2f} slices/s, batch {chosen.batch}")
    verdict("training, ours over plain fp32", ours / plain, TARGET)
    if chosen.dice:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_phantom_cohort(folder / "cohort", 16, seed=3)
            half, whole = (dice_on_phantoms(p, folder, chosen.updates) for p in ("auto", "32-true"))
        print(f"Dice: ours {half:.4f}, float32 {whole:.4f}")
        verdict("Dice lost by the arithmetic", whole - half, TARGET_DICE, at_most=True)


if __name__ == "__main__":
    main()
