"""Listing 510 subjects of real-size files in the M&Ms layout, headers only: cold and warm.

Every file is one of its own: the first 64 KiB of a synthetic one of real size (216 x 256, 10 slices, 25
frames, 4D labels), then a hole up to the real length, since nothing beyond the header is looked at. *Cold* is
a fresh process, its imports not counted, after the system was asked to forget the files' pages (on Linux;
directories stay known). *Warm* is the same process a second time; the first listing of a fresh process with
all pages in memory is printed for orientation.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from common import QUICK, arguments, verdict, write_cines

SUBJECTS = 510
COLD_S, WARM_S = 3.0, 1.0
BEGINNING = 2**16

LIST = """
import json, sys, time
from pathlib import Path
from cmr_ssp.files import open_cohort
seconds = []
for _ in range(2):
    started = time.perf_counter()
    cohort = open_cohort(Path(sys.argv[1]))
    seconds.append(time.perf_counter() - started)
labelled = sum(len(subject.labels) == 2 for subject in cohort.subjects)
print(json.dumps([cohort.layout, len(cohort.subjects), labelled, len(cohort.problems), *seconds]))
"""


def write_mnms(folder: Path, models: Path) -> None:
    """Write `SUBJECTS` subjects like the few models, and the CSV."""
    write_cines(models, QUICK)
    images = sorted(path for path in models.glob("s??.nii.gz"))
    for image in images:
        _write_4d_labels(image)
    rows = [",External code,VendorName,Vendor,Centre,ED,ES,Pathology"]
    for number in range(SUBJECTS):
        image = images[number % len(images)]
        code = f"A{number:03d}B"
        (folder / code).mkdir(parents=True)
        for source, name in ((image, f"{code}_sa"), (_labels_of(image), f"{code}_sa_gt")):
            _write_like(source, folder / code / f"{name}.nii.gz")
        rows.append(f"{number},{code},Siemens,A,1,0,{QUICK.frames // 3},NOR")
    (folder / "info.csv").write_text("\n".join(rows) + "\n")


def _write_like(source: Path, target: Path) -> None:
    with source.open("rb") as model, target.open("wb") as file:
        file.write(model.read(BEGINNING))
        file.truncate(source.stat().st_size)


def _labels_of(image: Path) -> Path:
    return image.with_name(image.name.replace(".nii.gz", "_4d_gt.nii.gz"))


def _write_4d_labels(image: Path) -> None:
    cine = nib.load(image)
    labels = np.zeros(cine.shape, np.uint8)
    for phase, frame in (("ED", 0), ("ES", QUICK.frames // 3)):
        drawn = nib.load(image.with_name(image.name.replace(".nii.gz", f"_{phase}_gt.nii.gz")))
        labels[..., frame] = np.asarray(drawn.dataobj)
    nib.save(nib.Nifti1Image(labels, cine.affine), _labels_of(image))


def drop_from_cache(folder: Path) -> None:
    """Ask the system to forget the files' pages."""
    if not hasattr(os, "posix_fadvise"):
        return
    os.sync()
    for path in folder.rglob("*.nii.gz"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def listed(folder: Path) -> tuple[float, float]:
    """List the folder twice in a fresh process; return the seconds of both."""
    call = [sys.executable, "-c", LIST, str(folder)]
    answer = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    layout, *counts, cold, warm = answer
    assert (layout, counts) == ("M&Ms", [SUBJECTS, SUBJECTS, 0]), answer
    return cold, warm


def main() -> None:
    chosen = arguments(__doc__.splitlines()[0], rounds=3)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "mnms"
        write_mnms(folder, Path(temporary) / "models")
        seconds = []
        for _ in range(1 if chosen.quick else chosen.rounds):
            drop_from_cache(folder)
            seconds.append((*listed(folder), listed(folder)[0]))
    cold, warm, fresh = (statistics.median(column) for column in zip(*seconds, strict=True))
    print(f"a fresh process, files in memory: {fresh:.2f} s (no target)")
    verdict(f"seconds to list {SUBJECTS} subjects, cold", cold, COLD_S, at_most=True)
    verdict(f"seconds to list {SUBJECTS} subjects, warm", warm, WARM_S, at_most=True)


if __name__ == "__main__":
    main()
