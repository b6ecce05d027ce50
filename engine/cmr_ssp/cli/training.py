"""``cmr-ssp pretrain`` and ``cmr-ssp finetune``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cmr_ssp.anatomy import Phase
from cmr_ssp.cli.options import (
    Device,
    Devices,
    Folder,
    LabelFolder,
    MaxMinutes,
    OrderSeed,
    Phases,
    Preset,
    RecipeFile,
    Resume,
    RunFolder,
    SetOptions,
    Shown,
    SplitFile,
    WeightsSeed,
    open_labelled,
    parse_phases,
)
from cmr_ssp.cli.progress import exit_if_stopped, reporting
from cmr_ssp.cli.terminal import Terminal
from cmr_ssp.errors import RecipeError
from cmr_ssp.process_group import process_rank

if TYPE_CHECKING:
    from cmr_ssp.subjects import Split


def pretrain(
    folder: Folder,
    *,
    run: RunFolder,
    preset: Preset = None,
    recipe: RecipeFile = None,
    settings: SetOptions = None,
    split: SplitFile = None,
    seed: Annotated[int | None, Parameter(help="Seed of all random choices: weights and order.")] = None,
    weights_seed: WeightsSeed = None,
    order_seed: OrderSeed = None,
    device: Device = "auto",
    devices: Devices = None,
    max_minutes: MaxMinutes = None,
    resume: Resume = False,
    terminal: Shown,
) -> None:
    """Pretrain on all frames and slices of a cohort's training subjects; no label is used.

    The default preset is mim/cpu-small on a CPU and mim/gpu-8gb on a GPU.
    """
    started = time.perf_counter()
    from cmr_ssp import jobs
    from cmr_ssp.devices import choose_device
    from cmr_ssp.recipes import PretrainRecipe, load_recipe
    from cmr_ssp.runs import Run

    def default_preset() -> str:
        return "mim/cpu-small" if choose_device(device).type == "cpu" else "mim/gpu-8gb"

    chosen = _with_seeds(settings, seed, weights=weights_seed, order=order_seed)
    source = _source(run, preset, recipe, chosen, default_preset, resume=resume)
    asked = None if source is None else load_recipe(source, chosen, kind=PretrainRecipe)
    cohort = open_labelled(folder, None, terminal)
    with reporting(terminal) as (report, cancel):
        outcome = jobs.pretrain(
            cohort,
            asked,
            Run(run),
            split=_split(split),
            settings=jobs.JobSettings(
                device, max_minutes, devices=devices, from_command_line=True, started=started
            ),
            resume=resume,
            on_event=report,
            cancel=cancel,
        )
    exit_if_stopped(outcome)
    terminal.give(run=run)


def finetune(
    folder: Folder,
    *,
    run: RunFolder,
    pretrained: Annotated[
        Path | None,
        Parameter(name="--from", help="Pretraining run; by default training starts from scratch."),
    ] = None,
    subjects: Annotated[
        str | None,
        Parameter(help="Label budget: number of labelled subjects, or ids, as in anna,bert or anna:ED,bert."),
    ] = None,
    seed: Annotated[
        int | None, Parameter(help="Seed of all random choices: subset, weights and order.")
    ] = None,
    subset_seed: Annotated[
        int | None, Parameter(help="Seed to draw the labelled subjects; overrides --seed.")
    ] = None,
    weights_seed: WeightsSeed = None,
    order_seed: OrderSeed = None,
    phases: Phases = "ED,ES",
    validation: Annotated[
        bool, Parameter(help="With ten subjects or more, use a fifth only to select the best checkpoint.")
    ] = True,
    vendors: Annotated[
        str | None, Parameter(help="Use only subjects of these scanner vendors, as in Siemens,Philips.")
    ] = None,
    preset: Preset = None,
    recipe: RecipeFile = None,
    settings: SetOptions = None,
    split: SplitFile = None,
    labels: LabelFolder = None,
    train_on_test: Annotated[
        bool,
        Parameter(negative=(), help="Allow training on named test subjects, which then have no test score."),
    ] = False,
    device: Device = "auto",
    devices: Devices = None,
    max_minutes: MaxMinutes = None,
    resume: Resume = False,
    terminal: Shown,
) -> None:
    """Train a segmentation network on the labels of a few subjects.

    The default preset matches the pretraining run; from scratch it is scratch/cpu-small on a CPU.
    """
    started = time.perf_counter()
    from cmr_ssp import jobs
    from cmr_ssp.devices import choose_device
    from cmr_ssp.recipes import SegmentationRecipe, load_recipe, matching_preset
    from cmr_ssp.runs import Run
    from cmr_ssp.weights import load_checkpoint

    source = Run(pretrained) if pretrained is not None else None

    def default_preset() -> str:
        before = load_checkpoint(source.last).recipe if source is not None else None
        return matching_preset(before, on_gpu=choose_device(device).type != "cpu")

    methods = ("finetune", "scratch") if resume else ("scratch",) if source is None else ("finetune",)
    chosen = _with_seeds(settings, seed, subset=subset_seed, weights=weights_seed, order=order_seed)
    place = _source(run, preset, recipe, chosen, default_preset, resume=resume)
    asked = None if place is None else load_recipe(place, chosen, kind=SegmentationRecipe, methods=methods)
    cohort, wanted = open_labelled(folder, labels, terminal), parse_phases(phases)
    vendor_names = None if vendors is None else [vendor.strip() for vendor in vendors.split(",")]
    budget = jobs.LabelBudget(
        _subjects(subjects, wanted), None, wanted, train_on_test, vendor_names, validation
    )
    if not (resume or train_on_test) and terminal.can_ask:
        tests = jobs.test_subjects(budget, cohort, _split(split), source)
        question_at = time.perf_counter()
        budget = replace(budget, allow_test=bool(tests) and _confirm_test_subjects(terminal, tests))
        started += time.perf_counter() - question_at  # do not count the time of the answer
    with reporting(terminal) as (report, cancel):
        outcome = jobs.finetune(
            cohort,
            asked,
            Run(run),
            pretrained=source,
            budget=budget,
            split=_split(split),
            settings=jobs.JobSettings(
                device, max_minutes, devices=devices, from_command_line=True, started=started
            ),
            resume=resume,
            on_event=report,
            cancel=cancel,
        )
    exit_if_stopped(outcome)
    terminal.give(run=run)


def _source(
    run: Path,
    preset: str | None,
    file: Path | None,
    settings: Sequence[str],
    default_preset: Callable[[], str],
    *,
    resume: bool,
) -> str | Path | None:
    """Return the preset or file of the requested recipe; None to resume a run without changes."""
    if preset and file:
        raise RecipeError.of("--recipe", "--preset is set too", "Use only one of them.")
    if resume and not (preset or file):
        return run / "recipe.yaml" if settings else None  # --set must not contradict it
    return file or preset or default_preset()


def _with_seeds(settings: list[str] | None, seed: int | None, **apart: int | None) -> list[str]:
    """Add the seeds before the other settings, which override them."""
    seeds = {"seed": seed} | {f"seeds.{name}": value for name, value in apart.items()}
    return [*(f"{key}={value}" for key, value in seeds.items() if value is not None), *(settings or [])]


def _confirm_test_subjects(terminal: Terminal, tests: Sequence[str]) -> bool:
    """Ask whether to train on test subjects; in a process group only rank 0 asks."""
    from rich.prompt import Confirm

    if process_rank():
        return True
    terminal.note(
        f"{', '.join(tests)} of the test set: if this run trains on them, it has no test score of them."
    )
    return Confirm.ask("Train on them?", console=terminal.console, default=False)


def _split(path: Path | None) -> Split | None:
    from cmr_ssp.subjects.split_file import read_split

    return read_split(path) if path is not None else None


def _subjects(text: str | None, phases: Sequence[Phase]) -> int | dict[str, Sequence[Phase]] | None:
    """Parse ``5``, ``anna,bert`` or ``anna:ED,bert:ED+ES``."""
    if text is None:
        return None
    if re.fullmatch("0|[1-9][0-9]*", text):  # 001 is an id
        return int(text)
    named: dict[str, Sequence[Phase]] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, own = part.partition(":")  # ids have no colon
        named[name] = parse_phases(own.replace("+", ",")) if own else phases
    return named
