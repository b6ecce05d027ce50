"""Segment a cine that is a numpy array, and measure its volumes.

Shows what to do with images that come from a program of one's own: no file is read or written.

    python examples/segment_array.py --out example
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cmr_ssp
from cmr_ssp.anatomy import Structure
from cmr_ssp.evaluation import dice
from cmr_ssp.function import frame_volumes
from cmr_ssp.phantoms import make_phantom, write_phantom_cohort


def main(out: Path, subjects: int, updates: int) -> None:
    write_phantom_cohort(out / "cohort", subjects, seed=3, n_frames=6)
    cohort = cmr_ssp.open_cohort(out / "cohort")
    recipe = cmr_ssp.load_recipe("scratch/demo", [f"updates={updates}"])
    run = cmr_ssp.finetune(cohort, recipe, out / "run")

    heart = make_phantom(seed=99, n_frames=8)  # stands for your images
    print("pixels (frame, slice, row, column):", heart.pixels.shape)
    print("spacing of slices, rows, columns in mm:", heart.spacing_mm)
    labels = cmr_ssp.segment(run, heart.pixels, spacing_mm=heart.spacing_mm)

    for volumes in frame_volumes(labels, heart.spacing_mm, "heart"):
        lv = volumes.ml[Structure.LV]
        print(f"frame {volumes.frame}: LV {lv or 0:.0f} ml {volumes.phase or ''}")
    frame = heart.end_diastole
    for structure in Structure:
        score = dice(labels[frame], heart.labels[frame], structure)
        print(f"Dice of {structure.name} at end diastole: {score:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="new folder for everything that is made")
    parser.add_argument("--subjects", type=int, default=8, help="synthetic hearts")
    parser.add_argument("--updates", type=int, default=250, help="of the training")
    main(**vars(parser.parse_args()))
