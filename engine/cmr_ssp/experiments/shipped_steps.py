"""Measured time and memory of one update of the presets of the paper, which are slow to measure."""

from __future__ import annotations

from collections.abc import Mapping

CPU_STEPS: Mapping[str, tuple[float, float]] = {
    "scratch/paper": (14.5, 6.3),
    "finetune/paper": (13.5, 6.3),
    "mim/paper": (21.8, 12.3),
    "simclr/paper": (25.3, 17.5),
    "pcl/paper": (16.8, 10.1),
    "dino/paper": (13.6, 8.3),
}
"""Seconds an update and GiB of memory by preset, on two processor cores."""
