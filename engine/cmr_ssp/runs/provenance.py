"""The data that a network has seen, and the machine it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

SeenSubjects = Mapping[str, str]
"""Fingerprint of the cine by subject id."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The subjects that the network of a checkpoint has seen, and how it was trained.

    Attributes
    ----------
    pretraining, training, validation : Mapping of str to str
        Fingerprint by subject id: subjects of the pretraining, of training with labels, and of validation.
    phases : Mapping of str to sequence of str
        Labelled phases used in training, by subject id; empty for pretraining.
    pretrained_from : str
        Digest of the checkpoint with the initial weights; empty from scratch.
    machine : Mapping
        Device, precision, threads and versions.
    ancestors : sequence of str
        Digests of the checkpoints before `pretrained_from`, in its run and in earlier runs.
    trained_on_test : sequence of str
        Test subjects that were used in training because the user forced it.
    images, labels : Mapping of str to str
        Digests, by subject id, of the data of training and validation: all frames, and the labels of the
        phases used. Empty in checkpoints of earlier versions; pretraining has no labels.
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
        """Digests of all ancestors of the weights, without this checkpoint."""
        return tuple(dict.fromkeys(filter(None, (self.pretrained_from, *self.ancestors))))

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Self:
        """Create it from the result of `as_dict`."""
        lists = {name: tuple(tree.get(name, ())) for name in ("ancestors", "trained_on_test")}
        return cls(**{**tree, **lists})
