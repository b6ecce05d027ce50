"""Runs killed at any moment, with SIGKILL, end bit for bit as if they never had been (CPU)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cmr_ssp.events import Outcome
from cmr_ssp.recipes import method_names, recipe_yaml
from cmr_ssp.runs import Run
from cmr_ssp.subjects.split_file import write_split
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import write_beating_cohort
from kill_helpers import finished, interrupt, rows
from training_helpers import measured
from two_processes import RECIPES, SPLIT, recipe_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL and no fork")

EPOCHS = dict.fromkeys(method_names(), 8) | {"finetune": 24}
"""Of three updates in pretraining and one in fine-tuning."""

IN_EVERY_TEST = ("mim", "finetune")
METHODS = [
    method if method in IN_EVERY_TEST else pytest.param(method, marks=pytest.mark.proof) for method in RECIPES
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort, and a recipe of each method that leaves the number of threads open."""
    folder = tmp_path_factory.mktemp("kills")
    write_beating_cohort(folder / "cohort", "abc")
    write_split(folder / "split.yaml", SPLIT)
    for method in RECIPES:
        recipe = recipe_of(method, threads=None, checkpoint_every=4, batch_size=4, micro_batch=None)
        (folder / f"{method}.yaml").write_text(recipe_yaml(recipe))
    return folder


def command(place: Path, method: str, run: Path) -> tuple[list[str], list[str]]:
    """Return how a run is started, and how it is resumed."""
    stage = "finetune" if method == "finetune" else "pretrain"
    both = [
        stage,
        str(place / "cohort"),
        "--run",
        str(run),
        "--set",
        f"epochs={EPOCHS[method]}",
        "--device",
        "cpu",
    ]
    start = ["--recipe", str(place / f"{method}.yaml"), "--split", str(place / "split.yaml")]
    if stage == "finetune":
        start += ["--subjects", "a", "--from", str(place / "mim-whole")]
    return [*both, *start], [*both, "--resume"]


@pytest.mark.parametrize("method", METHODS)  # fine-tuning comes last, from the run of MIM
def test_a_killed_run_ends_bit_for_bit_as_the_one_that_was_left_alone(place: Path, method: str) -> None:
    whole, parts = Run(place / f"{method}-whole"), Run(place / f"{method}-parts")
    finished(command(place, method, whole.folder)[0])
    first, again = command(place, method, parts.folder)
    hits = interrupt(parts, first, again, kills=3, seed=list(RECIPES).index(method), n_rows=rows(whole))
    assert hits >= 2
    assert parts.read_state()[0] is None  # it says so itself
    assert 0 < load_checkpoint(parts.last).tally["update"] < 24  # there is something to resume
    finished(again, threads=2)
    assert parts.read_state()[0] is Outcome.FINISHED
    ours, theirs = load_checkpoint(whole.last), load_checkpoint(parts.last)
    assert ours.recipe.threads == theirs.recipe.threads == 1
    assert theirs.provenance.machine["threads"] == 1
    # Weights, teacher and centre, optimiser, tally, scores and provenance, byte for byte.
    assert parts.last.read_bytes() == whole.last.read_bytes()
    assert parts.best.read_bytes() == whole.best.read_bytes()
    assert measured(parts) == measured(whole)
