"""Bring a folder of NIfTI files into the form that everything else works on.

Shows how files are named, what subjects.csv and cohort.yaml have to say, how problems are reported, and how
test subjects are set aside.

    python examples/own_data.py --out example
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cmr_ssp
import nibabel as nib
import numpy as np
from cmr_ssp.phantoms import make_phantom
from cmr_ssp.subjects.split import draw_split
from cmr_ssp.subjects.split_file import write_split


def main(out: Path, subjects: int) -> None:
    folder = out / "my-data"
    folder.mkdir(parents=True)
    rows = ["id,ed_frame,es_frame"]  # which frames of the cine are end diastole and end systole, from 0
    for number in range(subjects):
        heart = make_phantom(number, n_frames=4)
        cine = nib.Nifti1Image(heart.pixels.T.astype(np.int16), heart.affine)  # (column, row, slice, frame)
        cine.header.set_xyzt_units("mm", "sec")
        nib.save(cine, folder / f"heart{number}.nii.gz")
        rows.append(f"heart{number},{heart.end_diastole},{heart.end_systole}")
        for phase, frame in (("ED", heart.end_diastole), ("ES", heart.end_systole)):
            drawn = 50 * heart.labels[frame].T  # LV 50, MYO 100, RV 150
            nib.save(nib.Nifti1Image(drawn, heart.affine), folder / f"heart{number}_{phase}_gt.nii.gz")
    (folder / "subjects.csv").write_text("\n".join(rows) + "\n")
    (folder / "heart9.nii.gz").write_text("a file that is no image")

    # 50, 100 and 150 are not the usual numbers of the structures, so a file has to say what they are.
    (folder / "cohort.yaml").write_text("structures: {LV: 50, MYO: 100, RV: 150}\n")
    cohort = cmr_ssp.open_cohort(folder)
    print(cohort.to_dataframe().to_string())
    for problem in cohort.problems:
        print(f"{problem.severity}: {problem}")

    labels = cmr_ssp.read_segmentation(cohort.subject("heart0"), "ED").labels
    print("numbers in the engine:", np.unique(labels).tolist())

    split = draw_split(cohort.subjects, test=0.25, seed=0)
    write_split(out / "split.yaml", split)  # for --split on the command line, or split= in Python
    print((out / "split.yaml").read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="new folder for everything that is made")
    parser.add_argument("--subjects", type=int, default=6, help="synthetic hearts, 8 at most")
    main(**vars(parser.parse_args()))
