"""Measure how often conformal intervals contain the reference, on subjects that a scored run has not seen.

    python benchmarks/intervals.py RUN [--level 0.9] [--draws 1000]

The unseen subjects of the run are divided at random, again and again, into those that calibrate (20 or
more) and the others, on which the intervals are tried.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from cmr_ssp.function.comparing import Comparison, Quantity
from cmr_ssp.function.intervals import UNSEEN, Calibration
from cmr_ssp.runs import Run, stored_function


def measure(rows: list[Comparison], n_calibration: int, level: float, draws: int) -> tuple[float, float]:
    """Return coverage, and the median width in the unit of the quantity."""
    random = np.random.default_rng(0)
    covered, widths = [], []
    for _ in range(draws):
        order = random.permutation(len(rows))
        chosen = [rows[k] for k in order[:n_calibration]]
        calibration = Calibration.of(chosen, rows[0].quantity)
        for row in (rows[k] for k in order[n_calibration:]):
            if row.predicted is None:
                covered.append(False)
                continue
            found = calibration.interval(row.predicted, row.conditions, level)
            covered.append(found.low <= row.reference <= found.high)
            widths.append(found.high - found.low)
    return float(np.mean(covered)), float(np.median(widths))


def main() -> None:
    """Print one line per quantity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--level", type=float, default=0.9)
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    stored = [row for row in stored_function(Run(options.run)) if row.role in UNSEEN]
    for quantity in Quantity:
        rows = [row for row in stored if row.quantity is quantity]
        for n in (20, 25, 30, 35):
            if n < len(rows):
                coverage, width = measure(rows, n, options.level, options.draws)
                expected = np.ceil((n + 1) * options.level) / (n + 1)
                tried = f"{quantity}: {n} calibrate, {len(rows) - n} tried: coverage {coverage:.3f}"
                print(f"{tried} (expected {expected:.3f}), median width {width:.1f} {quantity.unit}")


if __name__ == "__main__":
    main()
