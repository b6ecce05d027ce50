"""The card of a shared model: what it is, what it was trained on, and how it scored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import RunError
from cmr_ssp.evaluation import Score, SubjectRole, mean_dice, mean_hd95_mm
from cmr_ssp.function.comparing import Comparison
from cmr_ssp.plain_yaml import load_yaml
from cmr_ssp.runs.header import CheckpointHeader
from cmr_ssp.runs.licences import strictest
from cmr_ssp.runs.parcels import BUNDLE_AGAIN
from cmr_ssp.subjects import Role, Split

FORMAT: Literal["cmr-ssp bundle 1"] = "cmr-ssp bundle 1"
INTENDED_USE = "Research use only. Not a medical device: not for diagnosis or treatment."
LONGEST_CARD = 2 * 2**20
"""Most bytes of a card; each subject takes about a hundred."""

Text = Annotated[str, Field(max_length=2000)]
Count = Annotated[int, Field(ge=0)]
Span = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Training(_Part):
    """What a network was trained on; all of it is also in the header of its weights.

    Attributes
    ----------
    method : str
        ``finetune`` or ``scratch``.
    updates, labelled_subjects : int
        Updates on labels, and subjects with labels.
    phases : mapping of str to int
        Number of labelled subjects by phase.
    crop_px : int
        Side of the square that the network receives, in pixels.
    spacing_mm : float
        Pixel spacing of that square.
    training, validation, pretraining : tuple of str
        Keyed fingerprints of the subjects.
    data_licences : tuple of str
        Terms of the data, as far as they were stated.
    licence : str
        The strictest of them when it was exported; empty if none was stated.
    trained_with : mapping of str to str or int
        Device, precision and versions of the training.
    """

    method: Text
    updates: Count
    labelled_subjects: Count
    phases: Mapping[str, Count]
    crop_px: Count
    spacing_mm: float
    licence: Text
    data_licences: tuple[Text, ...]
    trained_with: Mapping[str, Text | int]
    training: tuple[Text, ...]
    validation: tuple[Text, ...]
    pretraining: tuple[Text, ...]

    @classmethod
    def of(cls, header: CheckpointHeader) -> Training:
        """Read it from the header of a checkpoint whose subjects have no names."""
        seen, crop = header.provenance, header.recipe.crop
        used = [phase for phases in seen.phases.values() for phase in phases]
        return cls(
            method=header.recipe.method,
            updates=header.update,
            labelled_subjects=len(seen.training),
            phases={phase: used.count(phase) for phase in sorted(set(used))},
            crop_px=crop.size_px,
            spacing_mm=crop.spacing_mm,
            licence=strictest(seen.data_licences),
            data_licences=tuple(seen.data_licences),
            trained_with=dict(seen.machine),
            training=tuple(seen.training.values()),
            validation=tuple(seen.validation.values()),
            pretraining=tuple(seen.pretraining.values()),
        )

    def agrees_with(self, other: Training) -> bool:
        """Return whether all facts are equal, and the licence is among the stated ones.

        Which one is the strictest may be judged otherwise by another version.
        """
        parts = {part for each in other.data_licences for part in each.split("; ")}
        stated = set(self.licence.split("; ")) <= (parts or {""})
        return stated and self.model_copy(update={"licence": other.licence}) == other

    @property
    def terms(self) -> str:
        """The strictest licence in words."""
        return strictest(self.data_licences) or "not stated: ask who trained it"


class TestScores(_Part):
    """Mean 3D Dice and HD95 in mm of test subjects by structure, and where these subjects come from.

    `own_split` of the `subjects` were locked away by the split of the training, the others are of other
    cohorts; `origin` is a text of the person who exported the model.
    """

    subjects: Count
    own_split: Count
    origin: Text
    mean_dice: float | None
    dice: Mapping[str, float]
    hd95_mm: Mapping[str, float]

    @classmethod
    def of(cls, scores: Iterable[Score], split: Split, origin: str) -> TestScores | None:
        """Summarise the scores of test subjects; None if there are none."""
        tested = [score for score in scores if score.role is SubjectRole.TEST]
        ids = {score.subject for score in tested}
        if not ids:
            return None
        by_structure = {each.name: [each] for each in Structure}
        dice = {name: mean_dice(tested, each) for name, each in by_structure.items()}
        hd95_mm = {name: mean_hd95_mm(tested, each) for name, each in by_structure.items()}
        mean = mean_dice(tested)
        return cls(
            subjects=len(ids),
            own_split=sum(split.role(name) is Role.TEST for name in ids),
            origin=origin or "not stated",
            mean_dice=None if mean is None else round(mean, 4),
            dice={name: round(value, 4) for name, value in dice.items() if value is not None},
            hd95_mm={name: round(value, 3) for name, value in hd95_mm.items() if value is not None},
        )


class Acquired(_Part):
    """Vendors, and least and largest spacing and heart rate, of subjects that the run was evaluated on."""

    subjects: Count
    vendors: tuple[Text, ...]
    slice_spacing_mm: Span | None
    pixel_spacing_mm: Span | None
    heart_rate_bpm: Span | None

    @classmethod
    def of(cls, rows: Iterable[Comparison], role: SubjectRole) -> Acquired | None:
        """Summarise subjects of one role; None if there are none."""
        chosen = [row for row in rows if row.role is role]
        if not chosen:
            return None
        spacings = [row.metadata.spacing_mm for row in chosen if row.metadata.spacing_mm is not None]
        return cls(
            subjects=len({row.subject for row in chosen}),
            vendors=tuple(sorted({row.vendor for row in chosen if row.vendor})),
            slice_spacing_mm=_span([each[0] for each in spacings]),
            pixel_spacing_mm=_span([mm for each in spacings for mm in each[1:]]),
            heart_rate_bpm=_span([row.heart_rate_bpm for row in chosen if row.heart_rate_bpm is not None]),
        )


def _span(values: Sequence[float]) -> Span | None:
    return (round(min(values), 3), round(max(values), 3)) if values else None


class Card(_Part):
    """The card of a bundle.

    `tested_on` and `trained_on` describe the evaluated subjects of these roles; None if there are none.
    `files` are the SHA-256 of the other files, `digest` is that of the card, and so stands for the whole.
    """

    format: Literal["cmr-ssp bundle 1"] = FORMAT
    name: Text
    intended_use: Text = INTENDED_USE
    model: Training
    scores: TestScores | None = None
    tested_on: Acquired | None = None
    trained_on: Acquired | None = None
    exported_with: Text
    files: Mapping[str, Text]
    digest: Text = ""

    def computed_digest(self) -> str:
        """Return the SHA-256 of everything but the digest."""
        tree = self.model_dump(mode="json", exclude={"digest"})
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()

    def as_yaml(self) -> str:
        """Return the text of ``card.yaml``."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)

    def in_words(self) -> str:
        """Return a few sentences, such as for the note of a run."""
        model, scores = self.model, self.scores
        lines = [
            self.intended_use,
            f"Trained on labels of {model.labelled_subjects} subjects ({model.updates} updates).",
            f"Licence of the data: {model.terms}.",
            "Not evaluated on test subjects."
            if scores is None or scores.mean_dice is None
            else f"Mean 3D Dice {scores.mean_dice:.3f} on {scores.subjects} test subjects "
            f"(origin: {scores.origin}).",
            f"Bundle {self.digest[:16]}.",
        ]
        return "\n".join(lines)


def parse_card(text: bytes, where: Path) -> Card:
    """Read a card and check its digest.

    Raises
    ------
    RunError
        If it is no card, or was changed.
    """
    try:
        tree: Any = load_yaml(text.decode("utf-8"))
        if isinstance(tree, dict) and tree.get("format") not in (None, FORMAT):
            raise RunError.of(where, f"is a {str(tree['format'])[:40]}", "Update napari-cmr-ssp.")
        card = Card.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))[:100]
        raise RunError.of(where, f"is not a card ({place}: {first['msg']})", BUNDLE_AGAIN) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunError.of(where, f"is not a card ({str(error)[:200]})", BUNDLE_AGAIN) from None
    if card.digest != card.computed_digest():
        raise RunError.of(where, "was changed after the export: it does not match its digest", BUNDLE_AGAIN)
    return card
