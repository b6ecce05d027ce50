"""A synthetic experiment folder: records and scores of finished cells, without any training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation import Score, SubjectRole, scores_csv
from cmr_ssp.function.comparing import Comparison, Quantity, comparisons_csv

METHODS = ("scratch", "simclr", "pcl", "dino", "mim")
TEST_VENDORS = {f"subject-{n:02d}": "AB"[n % 2] for n in range(8)}
GAINS = {"scratch": 0.0, "simclr": 0.005, "pcl": 0.01, "dino": -0.02, "mim": 0.03}


def record_of(
    name: str, method: str, seed: int, n: int | None = None, updates: int = 300, **changed: Any
) -> dict[str, Any]:
    """Return the record of a finished cell; a name that starts with ``pretrain`` is that of a pretraining."""
    pretrains = name.startswith("pretrain")
    parent = None if pretrains or method == "scratch" else f"pretrain-{method}"
    kind = method if pretrains else "scratch" if method == "scratch" else "finetune"
    record = {
        "id": name,
        "kind": "pretrain" if pretrains else "finetune",
        "method": method,
        "preset": f"{kind}/cpu-small",
        "settings": [],
        "data": ["mnms", "acdc"] if pretrains else ["mnms"],
        "split": {"test": 8, "seed": 0},
        "labelled_subjects": n,
        "phases": ["ED", "ES"],
        "vendors": [],
        "augmentation": True,
        "updates": updates,
        "seeds": {"pretraining": None if method == "scratch" else 0, "subset": seed, "training": seed},
        "parent": parent,
        "control": "",
        "like": [],
        "versions": {"cmr_ssp": "0.1.0", "torch": "2.13.0"},
        "hardware": {"device": "cpu", "processor": "AVX512"},
        "started": "2026-11-27T08:00:00+00:00",
        "seconds": 600.0 if pretrains else 0.2 * updates + seed,
        "outcome": "finished",
        "problems": [],
        "test_vendors": TEST_VENDORS,
        "recipe": {"method": kind, "updates": updates, "seed": seed, "network": {"channels": [16, 32]}},
    }
    return record | changed


def scores_of(record: dict[str, Any]) -> Iterator[Score]:
    """Yield plausible scores: better with more labels, worse at ES and where it was not trained."""
    base = 0.95 - 0.25 / (1 + (record["labelled_subjects"] or 60)) ** 0.6
    base += GAINS[record["method"]] - 0.02 * (record["updates"] < 300) - 0.15 * (not record["augmentation"])
    draw = np.random.default_rng([*record["id"].encode()])
    base += draw.normal(0, 0.004)
    subjects = np.random.default_rng(0).normal(0, 0.02, len(TEST_VENDORS))
    for (subject, vendor), own in zip(TEST_VENDORS.items(), subjects, strict=True):
        away = bool(record["vendors"]) and vendor not in record["vendors"]
        for phase in Phase:
            other = phase not in record["phases"]
            for structure in Structure:
                absent = subject == "subject-07" and structure is Structure.RV
                value = base + own - 0.03 * away - 0.02 * other - 0.02 * (phase is Phase.ES)
                value += {"LV": 0.04, "MYO": -0.03, "RV": -0.01}[structure.name] + draw.normal(0, 0.005)
                dice = None if absent else float(np.clip(value, 0, 1))
                far = None if dice is None else 20 * (1 - dice)
                yield Score(subject, phase, structure, dice, SubjectRole.TEST, hd95_mm=far)


def write_cell(folder: Path, record: dict[str, Any], scores: Sequence[Score] | None = None) -> None:
    """Write a cell with its scores, by default plausible ones."""
    cell = folder / "cells" / record["id"]
    cell.mkdir(parents=True, exist_ok=True)
    (cell / "cell.json").write_text(json.dumps(record), encoding="utf-8")
    if record["kind"] == "pretrain" or record["outcome"] != "finished":
        return
    scored = list(scores_of(record) if scores is None else scores)
    (cell / "scores.csv").write_text(scores_csv(scored), encoding="utf-8")
    rows = [
        Comparison(subject, Quantity.LV_EF, 55.0 + len(record["id"]) % 5, 58.0, SubjectRole.TEST, vendor)
        for subject, vendor in TEST_VENDORS.items()
    ]
    (cell / "function.csv").write_text(comparisons_csv(rows), encoding="utf-8")


def write_experiment(folder: Path) -> Path:
    """Write an experiment with cells for every table: five methods, three budgets, controls."""
    for method in METHODS[1:]:
        write_cell(folder, record_of(f"pretrain-{method}", method, 0, updates=1500))
    for method in METHODS:
        for n in (3, 10, 30):
            for seed in (0, 1, 2):
                write_cell(folder, record_of(f"{method}-n{n}-s{seed}", method, seed, n))
    for method in ("scratch", "mim"):
        for seed in (0, 1):
            for what, changed in {
                "ed": {"phases": ["ED"]},
                "es": {"phases": ["ES"]},
                "a": {"vendors": ["A"]},
                "b": {"vendors": ["B"]},
                "plain": {"augmentation": False},
            }.items():
                write_cell(folder, record_of(f"{method}-{what}-s{seed}", method, seed, 30, **changed))
            write_cell(folder, record_of(f"{method}-u1000-s{seed}", method, seed, 10, 1000))
    like = ["pretrain-mim", "mim-n10-s0", "scratch-n10-s0"]
    control = record_of("scratch-as-many-s0", "scratch", 0, 10, 1800, control="updates", like=like)
    write_cell(folder, control)
    return folder
