"""A run: one directory that the user chose, with everything a later stage needs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cmr_ssp.atomic import write_text
from cmr_ssp.errors import OutputError, Problem, RunError
from cmr_ssp.events import Outcome
from cmr_ssp.recipes import Recipe, load_recipe, recipe_yaml
from cmr_ssp.subjects import Split
from cmr_ssp.subjects.split_file import read_split, write_split

_R = TypeVar("_R", bound=Recipe)

# Settings that a run fills in where the recipe leaves them open.
_RESOLVED = ("precision", "threads")
LOCK = ".lock"
"""Lies in a run directory while a job works in it."""

_WITHOUT_CHECKPOINT = {LOCK, "state.json", "recipe.yaml", "split.yaml", "history.csv"}
_LEFTOVER = re.compile(
    r"\.(last|best|state|recipe|split|history|scores|earlier|slices|update-\d+)\.[a-z]+\.[0-9a-f]{8}\.tmp"
)
_RUNNING = "running"
_HISTORY_COLUMNS = ["epoch", "update", "run", "data", "learning_rate", "loss"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory.

    Attributes
    ----------
    folder : Path
        Holds ``recipe.yaml``, ``split.yaml``, ``history.csv``, ``last.safetensors``,
        ``best.safetensors`` and ``state.json``, and ``scores.csv`` once it was evaluated.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cmr_ssp.runs import Run
    >>> run = Run(Path("runs/tuned"))
    >>> run.read_history()[-1]["update"]
    '2'
    """

    folder: Path

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "last.safetensors"

    @property
    def best(self) -> Path:
        """The checkpoint of the best validation score, or of the lowest loss without validation."""
        return self.folder / "best.safetensors"

    @property
    def earlier(self) -> Path:
        """Digests of the checkpoints that were trained on further; only of a run that was resumed."""
        return self.folder / "earlier.txt"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.folder / "history.csv"

    @property
    def records(self) -> Path:
        """Folder of what masked image modelling rebuilt over the training."""
        return self.folder / "records"

    @property
    def scores(self) -> Path:
        """What was scored with the newest checkpoint, one row a subject, phase and structure."""
        return self.folder / "scores.csv"

    @property
    def recipe_file(self) -> Path:
        """The recipe that is being run."""
        return self.folder / "recipe.yaml"

    def recipe(self) -> Recipe:
        """Return the recipe that is being run.

        Raises
        ------
        RecipeError
            Where there is none, or where it is damaged.
        """
        return load_recipe(self.recipe_file)

    def require_free(self, *, resume: bool) -> None:
        """Check that a run can be made here, or with `resume` that there is one to continue.

        Raises
        ------
        RunError
            Where the folder holds something else already, or nothing to resume.
        """
        if resume and not self.last.exists():
            raise RunError.of(self.folder, "holds no run to resume", "Start it without --resume.")
        if resume or not self.folder.exists():
            return
        inside = {p.name for p in self.folder.iterdir()} if self.folder.is_dir() else {self.folder.name}
        inside = {name for name in inside if not _LEFTOVER.fullmatch(name)}
        if not inside <= _WITHOUT_CHECKPOINT:
            what = "holds a run already" if self.last.exists() else "exists and is not empty"
            remedy = "Choose another folder for the run, or resume the one that is there."
            raise RunError.of(self.folder, what, remedy)

    def clear_leftovers(self) -> None:
        """Remove what a process left behind that was killed while it wrote."""
        for path in (*self.folder.glob(".*.tmp"), *self.records.glob(".*.tmp")):
            if _LEFTOVER.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def write_description(self, recipe: Recipe, split: Split) -> None:
        """Write the recipe that is being run and the split that it obeys."""
        self.write_recipe(recipe)
        write_split(self.folder / "split.yaml", split)

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the recipe that is being run; its length changes where a time limit is planned anew."""
        write_text(self.recipe_file, recipe_yaml(recipe))

    def same_recipe(self, stored: _R, asked: _R | None, *, fitted: bool = False) -> _R:
        """Return the stored recipe of a run that is being continued.

        With `fitted`, its length came from a time limit and is not compared.

        Raises
        ------
        RunError
            Naming every setting in which the recipe that was asked for differs.
        """
        if asked is None:
            return stored
        open_settings = _RESOLVED + (("epochs", "updates") if fitted else ())
        was, wanted = stored.model_dump(mode="json"), asked.model_dump(mode="json")
        differing = [
            Problem(
                str(self.folder),
                f"was started with {key} {was[key]}, not {wanted[key]}",
                "Resume it as it was started, or start another run.",
            )
            for key in was
            if was[key] != wanted[key] and key not in open_settings
        ]
        if differing:
            raise RunError(*differing)
        return stored

    def split(self) -> Split:
        """Return the split that the run was made with.

        Raises
        ------
        RunError
            Where the folder is no run.
        """
        path = self.folder / "split.yaml"
        if not path.is_file():
            raise RunError.of(self.folder, "is no run", "Name the folder that training wrote.")
        return read_split(path)

    def write_state(self, outcome: Outcome | None, problems: Sequence[Problem] = ()) -> None:
        """Record how the job ended, without folders, which may be named after people; None while it runs."""
        kept = [str(problem.without_paths()) for problem in problems]
        state = {"state": outcome or _RUNNING, "problems": kept}
        write_text(self.folder / "state.json", json.dumps(state, indent=1))

    def read_state(self) -> tuple[Outcome | None, tuple[str, ...]]:
        """Return how the last job ended, and its problems; None while it runs, or where it was killed.

        Raises
        ------
        RunError
            Where the state is damaged.
        """
        path = self.folder / "state.json"
        if not path.exists():
            return None, ()
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            ended = None if state["state"] == _RUNNING else Outcome(state["state"])
            return ended, tuple(str(problem) for problem in state["problems"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            what = f"is no readable state ({error})"
            raise RunError.of(path, what, "Continue the run with --resume to write it anew.") from None

    def append_history(self, row: Mapping[str, float | str]) -> None:
        """Add a row to the history; a column the file lacks is added to the rows before."""
        columns = self._history_columns()
        if not set(row) <= set(columns):
            self.write_history([*self.read_history(), row])
            return
        try:
            with self.history.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, columns, lineterminator="\n").writerow(row)
        except OSError as error:
            what = f"it cannot be written ({error.strerror})"
            raise OutputError.of(self.history, what, "Make room, then continue with --resume.") from error

    def write_history(self, rows: Sequence[Mapping[str, float | str]]) -> None:
        """Replace the history."""
        columns = list(dict.fromkeys(name for row in rows for name in row)) or _HISTORY_COLUMNS
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.history, text.getvalue())

    def _history_columns(self) -> list[str]:
        if not self.history.exists():
            return []
        with self.history.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), [])

    def read_history(self) -> list[dict[str, str]]:
        """Return the rows of the history, empty where there is none; one that was torn off is left out.

        Raises
        ------
        RunError
            Where it is damaged.
        """
        if not self.history.exists():
            return []
        try:
            whole, newline, _ = self.history.read_text(encoding="utf-8").rpartition("\n")
            rows = list(csv.DictReader(io.StringIO(whole + newline)))
            for row in rows:
                int(row["update"])
        except (OSError, LookupError, TypeError, ValueError, csv.Error) as error:
            what = f"is no readable history ({error})"
            raise RunError.of(self.history, what, "Restore the file, or move it away.") from None
        return rows
