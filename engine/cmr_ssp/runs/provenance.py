"""What a network has seen, and where it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

SeenSubjects = Mapping[str, str]
"""Fingerprint of the cine by subject id."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which subjects a checkpoint's network saw, and how it was made.

    Attributes
    ----------
    pretraining, training, validation : Mapping of str to str
        Fingerprint by subject id: whose pixels pretraining saw, whose labels training saw, and who
        chose the best checkpoint.
    phases : Mapping of str to sequence of str
        The labelled phases that training saw, by subject id; empty for pretraining.
    pretrained_from : str
        Digest of the checkpoint that the weights came from; empty from scratch.
    machine : Mapping
        Device, precision, threads and versions.
    ancestors : sequence of str
        Digests of the checkpoints before `pretrained_from`, in its run and in those that it came from.
    trained_on_test : sequence of str
        Test subjects that were trained on because somebody insisted.
    images, labels : Mapping of str to str
        Digests, by subject id, of all that entered training and validation: every frame, and the labels of
        the phases that were used. Empty in checkpoints of earlier versions; pretraining has no labels.
    """

    pretraining: SeenSubjects = field(default_factory=dict)
    training: SeenSubjects = field(default_factory=dict)
    validation: SeenSubjects = field(default_factory=dict)
    phases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pretrained_from: str = ""
    machine: Mapping[str, str | int] = field(default_factory=dict)
    ancestors: Sequence[str] = ()
    trained_on_test: Sequence[str] = ()
    images: SeenSubjects = field(default_factory=dict)
    labels: SeenSubjects = field(default_factory=dict)

    @property
    def lineage(self) -> tuple[str, ...]:
        """Digests of every checkpoint that the weights came through, this one not included."""
        return tuple(dict.fromkeys(filter(None, (self.pretrained_from, *self.ancestors))))

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Self:
        """Rebuild what `as_dict` returned."""
        lists = {name: tuple(tree.get(name, ())) for name in ("ancestors", "trained_on_test")}
        return cls(**{**tree, **lists})
