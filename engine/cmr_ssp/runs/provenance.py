"""The data that a network has seen, and the machine it was trained on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from cmr_ssp.phantoms import is_phantom

_OPTIONAL = ("data_licences", "pseudo_labels")
_LISTS = ("ancestors", "trained_on_test", "data_licences")

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
    data_licences : sequence of str
        Terms of the data sets that were named when training started; also those of its ancestors.
    pseudo_labels : Mapping of str to str
        Digests, by subject id, of segmentations by an earlier network that trained like labels. These
        subjects are in `pretraining`, since they count as unlabelled.
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
    data_licences: Sequence[str] = ()
    pseudo_labels: SeenSubjects = field(default_factory=dict)

    @property
    def lineage(self) -> tuple[str, ...]:
        """Digests of all ancestors of the weights, without this checkpoint."""
        return tuple(dict.fromkeys(filter(None, (self.pretrained_from, *self.ancestors))))

    @property
    def knows_only_phantoms(self) -> bool:
        """Whether all subjects whose labels it was trained on are phantoms."""
        return only_phantoms(self.training)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON types; without what is new, as in earlier versions, which then read it."""
        tree = asdict(self)
        return {name: value for name, value in tree.items() if value or name not in _OPTIONAL}

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Self:
        """Create it from the result of `as_dict`."""
        lists = {name: tuple(tree.get(name, ())) for name in _LISTS}
        return cls(**{**tree, **lists})


def only_phantoms(ids: Collection[str]) -> bool:
    """Return whether there are subjects, and all of them are phantoms."""
    return bool(ids) and all(map(is_phantom, ids))
