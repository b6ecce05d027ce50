"""Memory of a training on a bank of 100 000 slices, beyond that of the same training on a small bank.

The bank is made from phantoms and is sparse on disk: its index names each slice many times, at offsets that
are spread over a file as large as a real one would be (216 x 256 pixels: 11 GB), of which only the first part
is written; the rest reads as zeros. Resident memory is that of the process, mapped pages of the file
included, at its largest. For Linux.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import QUICK, arguments, verdict, write_cines

TARGET_GIB = 2.0
N_SLICES = 100_000


def enlarge(small: Path, large: Path, n_slices: int) -> None:
    """Write a bank with `n_slices` slices, those of the small one first, the others all zero."""
    from cmr_ssp.samples.bank.files import seal

    large.mkdir()
    index, about = np.load(small / "index.npy"), json.loads((small / "bank.json").read_text())
    stored = (small / "slices.bin").stat().st_size
    n_subjects = len(about["subject_ids"])
    times = -(-n_slices // len(index))
    whole = np.tile(index, times)
    turn = np.repeat(np.arange(times), len(index))
    whole["subject"] += (turn * n_subjects).astype(np.int32)
    for column in ("image_at", "labels_at"):
        whole[column] = np.where(whole[column] < 0, -1, whole[column] + turn * stored)
    np.save(large / "index.npy", whole)
    with (small / "slices.bin").open("rb") as source, (large / "slices.bin").open("wb") as file:
        file.write(source.read())
        file.truncate(stored * times)
    ids = [f"{name}-{number}" for number in range(times) for name in about["subject_ids"]]
    prints = [f"{one}-{number}" for number in range(times) for one in about["fingerprints"]]
    del about["digest"]
    about |= {"subject_ids": ids, "fingerprints": prints, "contents": about["contents"] * times}
    seal(large, about)


_TRAIN = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from cmr_ssp.devices import make_fabric
from cmr_ssp.events import Cancel
from cmr_ssp.methods.objective import make_objective
from cmr_ssp.recipes import load_recipe
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.samples.bank.slices import open_bank
from cmr_ssp.training import train

bank, folder, method, updates = open_bank(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(1)
recipe = load_recipe(f"{method}/cpu-small", [f"updates={updates}"])
cpu = torch.device("cpu")
objective = make_objective(bank, bank.samples(), np.empty(0, np.int64), recipe, cpu)
train(objective, recipe, Run(folder), Provenance(), make_fabric(cpu, "32-true"), lambda _: None, Cancel())
print("RESIDENT", 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # Linux counts in KiB
"""


def resident(bank: Path, run: Path, method: str, updates: int) -> int:
    """Return the most bytes that a training held."""
    run.mkdir()
    command = [sys.executable, "-c", _TRAIN, str(bank), str(run), method, str(updates)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(said.rpartition("RESIDENT")[2])


def main() -> None:
    chosen = arguments(__doc__.splitlines()[0], updates=150)
    from cmr_ssp.files import open_cohort
    from cmr_ssp.samples.bank.building import slice_bank

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_cines(folder / "cohort", QUICK)
        small = slice_bank(open_cohort(folder / "cohort").subjects, folder / "bank").folder
        enlarge(small, folder / "large", N_SLICES)
        size = (folder / "large" / "slices.bin").stat().st_size
        print(f"{N_SLICES} slices, {size / 2**30:.1f} GiB mapped")
        updates = 10 if chosen.quick else chosen.updates
        for method in ("mim", "simclr"):
            little, much = (
                resident(bank, folder / f"{method}-{name}", method, n)
                for name, bank, n in (("small", small, 3), ("large", folder / "large", updates))
            )
            print(
                f"{method}: {little / 2**30:.2f} GiB with {len(np.load(small / 'index.npy'))} slices, "
                f"{much / 2**30:.2f} GiB with {N_SLICES} after {updates} updates"
            )
            name = f"GiB beyond the small bank, {method}"
            verdict(name, (much - little) / 2**30, TARGET_GIB, at_most=True)


if __name__ == "__main__":
    main()
