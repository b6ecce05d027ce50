"""A planned training as a command line."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence

from cmr_ssp.subjects.split_file import write_split

from napari_cmr_ssp.jobs.plans import FinetuningPlan, TrainingPlan


def command_line(plan: TrainingPlan, settings: Sequence[str], device: str) -> str:
    """Return the command for a training, and write its split to a file beside the run.

    Parameters
    ----------
    plan : TrainingPlan
        A planned training.
    settings : sequence of str
        Arguments for its recipe.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """
    split = plan.run_folder.with_name(f"{plan.run_folder.name}-split.yaml")
    write_split(split, plan.split)
    words = ["cmr-ssp", "finetune" if isinstance(plan, FinetuningPlan) else "pretrain", str(plan.cohort.root)]
    words += ["--run", str(plan.run_folder), "--split", str(split), *settings]
    if isinstance(plan, FinetuningPlan):
        words += ["--from", str(plan.pretrained)] if plan.pretrained is not None else []
        ticked = (f"{name}:{'+'.join(sorted(phases))}" for name, phases in plan.ticks.items())
        words += ["--subjects", ",".join(ticked)]
    if plan.max_minutes is not None:
        words += ["--max-minutes", f"{plan.max_minutes:g}"]
    if device != "auto":
        words += ["--device", device]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
