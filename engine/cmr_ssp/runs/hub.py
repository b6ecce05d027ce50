"""The folder of a model on the Hugging Face hub: the files of a bundle, and its card as README.md."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cmr_ssp.errors import OutputError
from cmr_ssp.runs.card import Card

README = "README.md"
_CREATIVE_COMMONS = re.compile(r"CC[ -]BY((?:-(?:NC|ND|SA))*)[ -](\d\.\d)", re.IGNORECASE)


def require_new_folder(folder: Path) -> None:
    """Check that a folder is missing or empty.

    Raises
    ------
    OutputError
        If it is not.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError.of(folder, "exists and is not empty", "Choose a new folder.")


def write_hub_folder(folder: Path, files: Mapping[str, Path], card: Card) -> None:
    """Write the files of a bundle and the README, all or nothing; the folder is missing or empty.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".cmr-ssp-") as made:
            staged = Path(made) / "folder"
            staged.mkdir()
            for name, path in files.items():
                shutil.copyfile(path, staged / name)
            (staged / README).write_text(readme(card), encoding="utf-8", newline="\n")
            if folder.exists():
                folder.rmdir()
            staged.rename(folder)
    except OSError as error:
        what = f"it cannot be written ({error.strerror or error})"
        raise OutputError.of(folder, what, "Choose another folder.") from error


def readme(card: Card) -> str:
    """Return the card as Markdown, with the metadata of the hub as YAML before it."""
    head = yaml.safe_dump(_metadata(card), sort_keys=False, allow_unicode=True, width=100)
    model, scores = card.model, card.scores
    facts = {
        "Training": f"{model.method}, {model.updates} updates on labels",
        "Labelled subjects": f"{model.labelled_subjects}",
        "Input": f"{model.crop_px} x {model.crop_px} px of {model.spacing_mm:g} mm",
        "Licence of the data": "; ".join(model.data_licences) or model.terms,
        "Digest": f"`{card.digest}`",
    }
    if scores is not None:
        facts["Test subjects"] = f"{scores.subjects} (origin: {scores.origin})"
        facts |= {f"3D Dice, {name}": f"{value:.3f}" for name, value in scores.dice.items()}
        facts |= {f"HD95, {name}": f"{value:.1f} mm" for name, value in scores.hd95_mm.items()}
    rows = "\n".join(f"| {name} | {_cell(text)} |" for name, text in facts.items())
    return (
        f"---\n{head}---\n\n# {_cell(card.name)}\n\nSegmentation of LV, myocardium and RV in "
        f"short-axis cardiac MR cines.\n**{_cell(card.intended_use)}**\n\n| | |\n|---|---|\n{rows}\n\n"
        "`cmr-ssp model import FOLDER --to RUNS` checks this folder and brings it in. `card.yaml` has the "
        "whole card.\nTraining subjects are listed there as keyed fingerprints.\n"
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _metadata(card: Card) -> dict[str, Any]:
    licence = licence_id(card.model.terms)
    tree: dict[str, Any] = {"license": licence}
    if licence == "other":
        tree["license_name"] = "terms-of-the-training-data"
    tree |= {
        "library_name": "cmr-ssp",
        "pipeline_tag": "image-segmentation",
        "tags": ["medical", "cardiac-mr", "segmentation", "research-use-only"],
    }
    if card.scores is None or not card.scores.dice:
        return tree
    result = {
        "task": {"type": "image-segmentation"},
        "dataset": {"name": card.scores.origin, "type": "cardiac-mr-cine"},
        "metrics": [
            {"type": "dice", "name": f"3D Dice, {name}", "value": value}
            for name, value in card.scores.dice.items()
        ],
    }
    return tree | {"model-index": [{"name": card.name, "results": [result]}]}


def licence_id(licence: str) -> str:
    """Return the identifier of the hub for a licence as text; ``other`` if it has none or several."""
    if ";" in licence:
        return "other"
    if (found := _CREATIVE_COMMONS.search(licence)) is not None:
        return f"cc-by{found[1].lower()}-{found[2]}"
    return "cc0-1.0" if re.search(r"\bCC0\b", licence, re.IGNORECASE) else "other"
