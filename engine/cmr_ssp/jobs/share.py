"""Write a trained network as a bundle, to pass it on."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Literal

from cmr_ssp import __version__
from cmr_ssp.atomic import write_text
from cmr_ssp.errors import RunError
from cmr_ssp.evaluation import SubjectRole
from cmr_ssp.events import OnEvent, ignore_events
from cmr_ssp.jobs.notices import report_problems
from cmr_ssp.networks import UNet
from cmr_ssp.prediction.segmenter import load_unet
from cmr_ssp.recipes import SegmentationRecipe, recipe_yaml
from cmr_ssp.runs import (
    Card,
    CheckpointName,
    Provenance,
    Run,
    bundle_key,
    choose_checkpoint,
    file_digest,
    lineage,
    read_checkpoint_header,
    require_place,
    stored_function,
    stored_scores,
    use_problems,
    without_names,
    write_bundle,
)
from cmr_ssp.runs.card import Acquired, TestScores, Training, parse_card
from cmr_ssp.runs.hub import require_new_folder, write_hub_folder
from cmr_ssp.runs.parcels import CARD, WEIGHTS
from cmr_ssp.weights import Checkpoint, save_checkpoint

Layout = Literal["zip", "hub"]
_KEPT = ("update", "best", "best_validated")


def export_model(
    run: Run,
    file: Path,
    *,
    checkpoint: CheckpointName = "last",
    origin: str = "",
    data_licence: str = "",
    layout: Layout = "zip",
    on_event: OnEvent = ignore_events,
) -> Card:
    """Write the network of a run as one zip file with recipe and card, without code and without names.

    Subjects are listed by keyed fingerprints: the images are recognised by who has them, and tell others
    nothing. The run is only read. The same run gives the same bytes.

    Parameters
    ----------
    run : Run
        A run that segments patients' exams.
    file : Path
        The bundle to write, ending in .zip; a bundle is replaced, anything else is not. Or a new folder.
    checkpoint : str
        ``last`` or ``best``.
    origin : str
        Where the test subjects of its scores come from, for the card.
    data_licence : str
        Terms of the data, added to those that the run already states.
    layout : str
        ``zip``, or ``hub`` for a folder with the same files and the card as README.md.
    on_event : callable
        Called with warnings.

    Raises
    ------
    CmrSspError
        If the run does not segment patients' exams, is damaged, or the file cannot be written.
    """
    (require_place if layout == "zip" else require_new_folder)(file)
    run.split()  # raises if it is not a run
    path, _, recipe, trained = load_to_share(run, checkpoint, on_event)
    provenance = _shared(run, path, trained.provenance, data_licence)
    with tempfile.TemporaryDirectory(prefix="cmr-ssp-") as made:
        staged = Run(Path(made))
        tally = {name: trained.tally[name] for name in _KEPT if name in trained.tally}
        save_checkpoint(
            staged.last, replace(trained, optimiser={}, tally=tally, provenance=provenance, trained=None)
        )
        write_text(staged.recipe_file, recipe_yaml(recipe))
        card = _card(run, checkpoint, staged, origin).model_copy(update={"name": file.stem})
        card = card.model_copy(update={"digest": card.computed_digest()})
        write_text(staged.card, card.as_yaml())
        files = {WEIGHTS: staged.last, "recipe.yaml": staged.recipe_file, CARD: staged.card}
        if layout == "zip":
            write_bundle(file, files)
        else:
            write_hub_folder(file, files, card)
    return card


def load_to_share(
    run: Run, checkpoint: CheckpointName, on_event: OnEvent
) -> tuple[Path, UNet, SegmentationRecipe, Checkpoint]:
    """Load the network of a run that may be passed on, with the path of its checkpoint; report warnings.

    Raises
    ------
    CmrSspError
        If the run does not segment patients' exams, or is damaged.
    """
    chosen = choose_checkpoint(run, checkpoint)
    problems = use_problems(chosen.path, read_checkpoint_header(chosen.path))
    if problems:
        raise RunError(*problems)
    network, recipe, trained = load_unet(chosen.path)
    report_problems((*chosen.problems, *trained.problems), on_event)
    return chosen.path, network, recipe, trained


def _card(run: Run, checkpoint: CheckpointName, staged: Run, origin: str) -> Card:
    """Describe staged weights; a run that came as a bundle inherits what was not measured here."""
    function = stored_function(run, checkpoint)
    measured = {
        "scores": TestScores.of(stored_scores(run, checkpoint), run.split(), origin),
        "tested_on": Acquired.of(function, SubjectRole.TEST),
        "trained_on": Acquired.of(function, SubjectRole.TRAINED_ON),
    }
    if run.card.exists():
        before = parse_card(run.card.read_bytes(), run.card)
        measured = {name: found or getattr(before, name) for name, found in measured.items()}
    files = {WEIGHTS: staged.last, "recipe.yaml": staged.recipe_file}
    return Card.model_validate(
        {
            "name": "",
            "model": Training.of(read_checkpoint_header(staged.last)),
            **measured,
            "exported_with": f"cmr-ssp {__version__}",
            "files": {name: file_digest(path) for name, path in files.items()},
        }
    )


def _shared(run: Run, path: Path, provenance: Provenance, data_licence: str) -> Provenance:
    """Return the provenance for a bundle: without names, and descending from the checkpoint in the run."""
    every = (provenance.pretraining, provenance.training, provenance.validation)
    if any(not each for seen in every for each in seen.values()):
        what = "was trained by an earlier version, which did not note on which images"
        raise RunError.of(run.folder, what, "Train it again, so that nobody tests it on its training data.")
    digest = file_digest(path)
    licences = dict.fromkeys(filter(None, (*provenance.data_licences, data_licence)))
    # Labels that were corrected from segmentations of the run cannot test its bundle either.
    before = dict.fromkeys((digest, *lineage(run, provenance)))
    before.pop(provenance.pretrained_from, None)
    anonymous = without_names(provenance, bundle_key(digest))
    return replace(anonymous, ancestors=tuple(before), data_licences=tuple(licences))
