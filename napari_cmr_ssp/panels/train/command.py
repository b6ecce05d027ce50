"""A planned training as a command."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence

from cmr_ssp.subjects.split_file import write_split

from napari_cmr_ssp.jobs.work import TrainingPlan


def command_line(plan: TrainingPlan, settings: Sequence[str], device: str, *, pretrains: bool) -> str:
    """Return what trains the same; the split is written beside the runs, for the command to read.

    Parameters
    ----------
    plan : TrainingPlan
        What is asked for.
    settings : sequence of str
        The arguments that give its recipe.
    device : str
        ``auto``, or where it shall run.
    pretrains : bool
        Whether no label is looked at.
    """
    split = plan.run_folder.with_name(f"{plan.run_folder.name}-split.yaml")
    write_split(split, plan.split)
    words = ["cmr-ssp", "pretrain" if pretrains else "finetune", str(plan.cohort.root)]
    words += ["--run", str(plan.run_folder), "--split", str(split), *settings]
    if plan.pretrained is not None:
        words += ["--from", str(plan.pretrained)]
    if not pretrains:
        ticked = (f"{name}:{'+'.join(sorted(phases))}" for name, phases in plan.ticks.items())
        words += ["--subjects", ",".join(ticked)]
    if plan.max_minutes is not None:
        words += ["--max-minutes", f"{plan.max_minutes:g}"]
    if device != "auto":
        words += ["--device", device]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
