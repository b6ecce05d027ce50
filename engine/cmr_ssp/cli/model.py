"""``cmr-ssp model``: pass trained networks on as bundles, and bring them in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cmr_ssp.cli.options import Checkpoint, Shown
from cmr_ssp.cli.progress import exit_if_stopped, reporting
from cmr_ssp.cli.terminal import make_table
from cmr_ssp.errors import CmrSspError, RunError
from cmr_ssp.events import Outcome

if TYPE_CHECKING:
    from cmr_ssp.runs import Card

Bundle = Annotated[Path, Parameter(help="A bundle (.zip) of `cmr-ssp model export`.")]


def export_model(
    run: Annotated[Path, Parameter(help="Run of `cmr-ssp finetune`.")],
    *,
    output: Annotated[
        Path,
        Parameter(name=["--output", "-o"], help="Bundle (.zip), new folder, or ONNX file (.onnx) to write."),
    ],
    checkpoint: Checkpoint = "last",
    origin: Annotated[
        str, Parameter(help="Where the test subjects of its scores come from, for the card.")
    ] = "",
    data_licence: Annotated[str, Parameter(help="Terms of the training data, if the run lacks them.")] = "",
    layout: Annotated[
        Literal["zip", "hub", "onnx"],
        Parameter(
            help="One file; a folder for the Hugging Face hub, its card as README.md; or the network as ONNX."
        ),
    ] = "zip",
    terminal: Shown,
) -> None:
    """Write the network of a run as one file with its card, without code, names and images."""
    from cmr_ssp import jobs
    from cmr_ssp.runs import Run

    with reporting(terminal) as (report, _):
        if layout == "onnx":
            jobs.export_onnx(Run(run), output, checkpoint=checkpoint, on_event=report)
            terminal.note(f"{run} -> {output}")
            terminal.give(written=output)
            return
        card = jobs.export_model(
            Run(run),
            output,
            checkpoint=checkpoint,
            origin=origin,
            data_licence=data_licence,
            layout=layout,
            on_event=report,
        )
    terminal.note(card.in_words())
    terminal.note(f"{run} -> {output}")
    terminal.give(written=output, card=card.model_dump(mode="json"))


def import_model(
    file: Annotated[Path, Parameter(help="A bundle, also unpacked, or a run folder or zip archive of one.")],
    *,
    to: Annotated[Path, Parameter(help="Folder of runs.")],
    terminal: Shown,
) -> None:
    """Check a network from elsewhere, and bring it in as a run. Nothing in it is executed."""
    from cmr_ssp import jobs

    with reporting(terminal) as (report, cancel):
        found = jobs.bring_in(file, to, on_event=report, cancel=cancel)
    if found is None:
        exit_if_stopped(Outcome.STOPPED)
        return
    here = "" if found.is_new else " (it is here already; nothing was copied)"
    terminal.note(f"{file} -> {found.folder}{here}")
    terminal.give(run=found.folder, new=found.is_new)


def list_models(folder: Annotated[Path, Parameter(help="Folder with bundles.")], *, terminal: Shown) -> None:
    """List the bundles in a folder by their cards."""
    from cmr_ssp.runs import read_card

    if not folder.is_dir():
        raise RunError.of(folder, "is not a folder", "Choose the folder with the bundles.")
    cards: dict[Path, Card] = {}
    for path in sorted(folder.glob("*.zip")):
        try:
            cards[path] = read_card(path)
        except CmrSspError as error:
            for problem in error.problems:
                terminal.problem(problem)
    columns = ("file", "method", "labelled", "test subjects", "Dice", "licence of the data", "digest")
    terminal.show(make_table(columns, [_row(path.name, card) for path, card in cards.items()]))
    terminal.give(
        models=[{"file": path, "card": card.model_dump(mode="json")} for path, card in cards.items()]
    )


def _row(name: str, card: Card) -> tuple[str, ...]:
    model, scores = card.model, card.scores
    dice = "" if scores is None or scores.mean_dice is None else f"{scores.mean_dice:.3f}"
    tested = str(scores.subjects) if scores is not None else "0"
    labelled = str(model.labelled_subjects)
    return name, model.method, labelled, tested, dice, model.terms, card.digest[:16]


def show(file: Bundle, *, terminal: Shown) -> None:
    """Print the card of a bundle, after comparing all its files with their digests."""
    from cmr_ssp.runs import verified_card

    card = verified_card(file)
    terminal.show(card.as_yaml().removesuffix("\n"))
    terminal.give(card=card.model_dump(mode="json"))
