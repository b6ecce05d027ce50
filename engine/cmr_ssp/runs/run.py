"""A run: one folder with everything that later stages need."""

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

# Settings that the run determines unless the recipe sets them.
_RESOLVED = ("precision", "threads")
LOCK = ".lock"
"""Lock file, present while a job works in the run."""

LONGEST_NOTE = 10_000
"""Most characters of a note."""

_WITHOUT_CHECKPOINT = {LOCK, "state.json", "recipe.yaml", "split.yaml", "history.csv", "note.txt"}
_LEFTOVER = re.compile(
    r"\.(last|best|state|note|recipe|split|history|scores|best-scores|function|best-function|earlier|slices|update-\d+)\.[a-z]+\.[0-9a-f]{8}\.tmp"
)
_RUNNING = "running"
_HISTORY_COLUMNS = ["epoch", "update", "run", "data", "learning_rate", "loss"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder.

    Attributes
    ----------
    folder : Path
        Contains ``recipe.yaml``, ``split.yaml``, ``history.csv``, ``last.safetensors``, ``best.safetensors``
        and ``state.json``, and ``scores.csv`` or ``best-scores.csv`` after an evaluation.

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
        """The checkpoint with the best validation score, or the lowest loss without validation."""
        return self.folder / "best.safetensors"

    @property
    def earlier(self) -> Path:
        """List of the digests of earlier checkpoints, only in resumed runs."""
        return self.folder / "earlier.txt"

    @property
    def history(self) -> Path:
        """History with one row per epoch."""
        return self.folder / "history.csv"

    @property
    def records(self) -> Path:
        """Folder of the records of masked image modelling."""
        return self.folder / "records"

    @property
    def scores(self) -> Path:
        """Scores of the newest checkpoint, one row per subject, phase and structure."""
        return self.folder / "scores.csv"

    @property
    def best_scores(self) -> Path:
        """Scores of the best checkpoint, apart from those of the newest."""
        return self.folder / "best-scores.csv"

    @property
    def function(self) -> Path:
        """Volumes and EF by the newest checkpoint beside the references, one row per subject and quantity."""
        return self.folder / "function.csv"

    @property
    def best_function(self) -> Path:
        """The same by the best checkpoint."""
        return self.folder / "best-function.csv"

    @property
    def card(self) -> Path:
        """The card, only in runs that came as a bundle."""
        return self.folder / "card.yaml"

    @property
    def note(self) -> Path:
        """Note of the user."""
        return self.folder / "note.txt"

    @property
    def recipe_file(self) -> Path:
        """The recipe file."""
        return self.folder / "recipe.yaml"

    def recipe(self) -> Recipe:
        """Return the recipe of the run.

        Raises
        ------
        RecipeError
            If it is missing or damaged.
        """
        return load_recipe(self.recipe_file)

    def require_free(self, *, resume: bool) -> None:
        """Check that a run can be created here, or with `resume`, that there is one to continue.

        Raises
        ------
        RunError
            If the folder contains other files, or nothing to resume.
        """
        if resume and not self.last.exists():
            raise RunError.of(self.folder, "contains no run to resume", "Start it without --resume.")
        if resume or not self.folder.exists():
            return
        inside = {p.name for p in self.folder.iterdir()} if self.folder.is_dir() else {self.folder.name}
        inside = {name for name in inside if not _LEFTOVER.fullmatch(name)}
        if not inside <= _WITHOUT_CHECKPOINT:
            what = "already contains a run" if self.last.exists() else "exists and is not empty"
            remedy = "Choose another folder for the run, or resume the existing one."
            raise RunError.of(self.folder, what, remedy)

    def clear_leftovers(self) -> None:
        """Remove temporary files of a process that was killed while writing."""
        for path in (*self.folder.glob(".*.tmp"), *self.records.glob(".*.tmp")):
            if _LEFTOVER.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def write_description(self, recipe: Recipe, split: Split) -> None:
        """Write the recipe and the split."""
        self.write_recipe(recipe)
        write_split(self.folder / "split.yaml", split)

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the recipe; its length changes if a time limit is planned again."""
        write_text(self.recipe_file, recipe_yaml(recipe))

    def same_recipe(self, stored: _R, asked: _R | None, *, fitted: bool = False) -> _R:
        """Return the stored recipe of a run to continue.

        With `fitted`, the length comes from a time limit and is not compared.

        Raises
        ------
        RunError
            If the requested recipe differs; the error names every such setting.
        """
        if asked is None:
            return stored
        open_settings = _RESOLVED + (("epochs", "updates") if fitted else ())
        was, wanted = stored.model_dump(mode="json"), asked.model_dump(mode="json")
        differing = [
            Problem(
                str(self.folder),
                f"was started with {key} {was[key]}, not {wanted[key]}",
                "Resume it with the same settings, or start another run.",
            )
            for key in was
            if was[key] != wanted[key] and key not in open_settings
        ]
        if differing:
            raise RunError(*differing)
        return stored

    def split(self) -> Split:
        """Return the split of the run.

        Raises
        ------
        RunError
            If the folder is not a run.
        """
        path = self.folder / "split.yaml"
        if not path.is_file():
            raise RunError.of(self.folder, "is not a run", "Choose the folder of a run.")
        return read_split(path)

    def write_state(self, outcome: Outcome | None, problems: Sequence[Problem] = ()) -> None:
        """Write the outcome of the job (None while it runs), without paths, which may name a person."""
        kept = [str(problem.without_paths()) for problem in problems]
        state = {"state": outcome or _RUNNING, "problems": kept}
        write_text(self.folder / "state.json", json.dumps(state, indent=1))

    def read_state(self) -> tuple[Outcome | None, tuple[str, ...]]:
        """Return the outcome and problems of the last job; None if it is running or was killed.

        Raises
        ------
        RunError
            If the state is damaged.
        """
        path = self.folder / "state.json"
        if not path.exists():
            return None, ()
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            ended = None if state["state"] == _RUNNING else Outcome(state["state"])
            return ended, tuple(str(problem) for problem in state["problems"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            what = f"is not a valid state ({error})"
            raise RunError.of(path, what, "Continue the run with --resume to replace it.") from None

    def read_note(self) -> str:
        """Return the note of the user, at most `LONGEST_NOTE` characters; empty if there is none."""
        if not self.note.exists():
            return ""
        with self.note.open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_NOTE)

    def write_note(self, note: str) -> None:
        """Write the note of the user; an empty one is removed.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if note:
            write_text(self.note, note[:LONGEST_NOTE])
        else:
            self.note.unlink(missing_ok=True)

    def append_history(self, row: Mapping[str, float | str]) -> None:
        """Append a row to the history; new columns are also added to earlier rows."""
        columns = self._history_columns()
        if not set(row) <= set(columns):
            self.write_history([*self.read_history(), row])
            return
        try:
            with self.history.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, columns, lineterminator="\n").writerow(row)
        except OSError as error:
            what = f"it cannot be written ({error.strerror})"
            raise OutputError.of(
                self.history, what, "Free disk space, then continue with --resume."
            ) from error

    def write_history(self, rows: Sequence[Mapping[str, float | str]]) -> None:
        """Replace the whole history."""
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
        """Return the rows of the history, empty if there is none, without an incomplete last row.

        Raises
        ------
        RunError
            If the history is damaged.
        """
        if not self.history.exists():
            return []
        try:
            whole, newline, _ = self.history.read_text(encoding="utf-8").rpartition("\n")
            rows = list(csv.DictReader(io.StringIO(whole + newline)))
            for row in rows:
                int(row["update"])
        except (OSError, LookupError, TypeError, ValueError, csv.Error) as error:
            what = f"is not a valid history ({error})"
            raise RunError.of(self.history, what, "Restore the file, or move it away.") from None
        return rows
