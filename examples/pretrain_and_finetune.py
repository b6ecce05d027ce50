"""Pretrain without labels, fine-tune on two labelled subjects, and compare with training from scratch.

Shows how the stages follow one another, and where the scores of a run are.

    python examples/pretrain_and_finetune.py --out example
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cmr_ssp
from cmr_ssp.phantoms import write_phantom_cohort


def main(out: Path, subjects: int, updates: int) -> None:
    write_phantom_cohort(out / "cohort", subjects, seed=1, n_frames=6)
    cohort = cmr_ssp.open_cohort(out / "cohort")
    print(cohort)

    # A preset, with another number of updates. Every slice of the training subjects is used, and no label.
    recipe = cmr_ssp.load_recipe("mim/demo", [f"updates={4 * updates}"])
    pretrained = cmr_ssp.pretrain(cohort, recipe, out / "mim")

    for name, start in (("scratch", None), ("finetune", pretrained)):
        recipe = cmr_ssp.load_recipe(f"{name}/demo", [f"updates={updates}"])
        run = cmr_ssp.finetune(cohort, recipe, out / name, pretrained=start, subjects=2)
        scores = cmr_ssp.evaluate(run, cohort).to_dataframe()  # also in scores.csv of the run
        unseen = scores[scores["role"] == "test"]
        print(name, unseen.groupby("structure")["dice"].mean().round(3).to_dict())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="new folder for everything that is made")
    parser.add_argument("--subjects", type=int, default=12, help="synthetic hearts")
    parser.add_argument("--updates", type=int, default=200, help="of each training on labels")
    main(**vars(parser.parse_args()))
