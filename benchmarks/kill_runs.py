"""Kill a pretraining or fine-tuning many times and compare its end with that of a run left alone.

`cmr-ssp` trains on a small synthetic cohort in a process of its own, which gets SIGKILL at random moments
and is resumed until it ends. Final and best checkpoint have to be the same byte for byte, and the history but
for the speed. The figure is the number of methods whose runs differ.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from cmr_ssp.recipes import load_recipe, recipe_yaml
from cmr_ssp.runs import Run
from cmr_ssp.weights import load_checkpoint
from common import Size, verdict, write_cines

METHODS = ("mim", "simclr", "pcl", "dino", "finetune")
SETTINGS = ["network.channels=[8,16,32]", "crop.size_px=64", "batch_size=8", "checkpoint_every=10"]
DINO = ["views.local_size_px=32", "head.hidden=32", "head.bottleneck=16", "head.outputs=64"]


def command(place: Path, method: str, run: Run, chosen: argparse.Namespace, *, resume: bool) -> list[str]:
    """Return how a run is started or resumed; the settings are given both times."""
    stage = "finetune" if method == "finetune" else "pretrain"
    begin = [sys.executable, "-m", "cmr_ssp.cli", stage, str(place / "cohort"), "--run", str(run.folder)]
    begin += ["--device", "cpu", "--set", f"updates={chosen.updates}", "--devices", str(chosen.devices)]
    if resume:
        return [*begin, "--resume"]
    source = ["--from", str(place / "mim-whole")] if stage == "finetune" else []
    return [*begin, "--recipe", str(place / f"{method}.yaml"), *source]


def finish(arguments: list[str]) -> float:
    """Run a command to its end; return the seconds that it took."""
    started = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - started


def killed(arguments: list[str], after_s: float) -> bool:
    """Start a command, kill it after some time, and tell whether it was still at work."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() < 0


def is_same(place: Path, method: str, chosen: argparse.Namespace, drawn: random.Random) -> bool:
    """Make a run alone and one that is killed; tell whether they end alike."""
    whole, parts = Run(place / f"{method}-whole"), Run(place / f"{method}-parts")
    seconds = finish(command(place, method, whole, chosen, resume=False))
    hits, reached = 0, set[int]()
    while hits < chosen.kills:
        resume = parts.last.exists()
        # Short enough that not every attempt ends by itself, long enough to get through the imports.
        ended = not killed(
            command(place, method, parts, chosen, resume=resume), drawn.uniform(0.2, 0.7) * seconds
        )
        if parts.last.exists():
            reached.add(int(load_checkpoint(parts.last).tally["update"]))
        if ended:
            break
        hits += 1
    finish(command(place, method, parts, chosen, resume=parts.last.exists()))
    pairs = ((whole.last, parts.last), (whole.best, parts.best))
    same = all(ours.read_bytes() == theirs.read_bytes() for ours, theirs in pairs)
    same = same and measured(whole) == measured(parts)
    print(f"{method}: {hits} kills, resumed from updates {sorted(reached)}: {'same' if same else 'DIFFERS'}")
    return same


def measured(run: Run) -> list[dict[str, str]]:
    """Return the history without the speed, which is never the same twice."""
    return [{k: v for k, v in row.items() if k != "slices_a_second"} for row in run.read_history()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10, help="at most, of each method")
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--devices", type=int, default=1, help="processes that train together")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ["CMR_SSP_CACHE"] = str(place / "cache")
        write_cines(place / "cohort", Size(subjects=4, frames=4, slices=3))
        for method in METHODS:
            settings = [*SETTINGS, *(DINO if method == "dino" else [])]
            recipe = load_recipe(f"{method}/cpu-small", settings)
            (place / f"{method}.yaml").write_text(recipe_yaml(recipe))
        if "finetune" in chosen.methods and "mim" not in chosen.methods:
            finish(command(place, "mim", Run(place / "mim-whole"), chosen, resume=False))
        drawn = random.Random(chosen.seed)
        differing = [m for m in chosen.methods if not is_same(place, m, chosen, drawn)]
    verdict("methods whose killed run differs", len(differing), 0, at_most=True)


if __name__ == "__main__":
    main()
