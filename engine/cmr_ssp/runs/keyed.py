"""Fingerprints of subjects in shared models: recognised by who has the images, of no meaning to others.

A keyed fingerprint is ``KEY:HMAC``, the HMAC-SHA-256 of a fingerprint with a key that lies beside it. Every
value names its own key, so that a network may descend from several bundles and from own data.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import replace

from cmr_ssp.runs.provenance import Provenance

_KEY_DIGITS = 16
_NAME_DIGITS = 12


def bundle_key(checkpoint_digest: str) -> str:
    """Return the key of a bundle; of the same checkpoint always the same, so that its bundle is as well."""
    return hashlib.sha256(f"cmr-ssp bundle {checkpoint_digest}".encode()).hexdigest()[:_KEY_DIGITS]


def keyed(key: str, fingerprint: str) -> str:
    """Return the keyed fingerprint; one that is keyed already stays, since its images are not here."""
    if ":" in fingerprint:
        return fingerprint
    return f"{key}:{hmac.new(key.encode(), fingerprint.encode(), hashlib.sha256).hexdigest()}"


def is_among(fingerprint: str, stored: Collection[str]) -> bool:
    """Return whether images have one of the stored fingerprints, which may be keyed."""
    keys = {each.partition(":")[0] for each in stored if ":" in each}
    return fingerprint in stored or any(keyed(key, fingerprint) in stored for key in keys)


def without_names(provenance: Provenance, key: str) -> Provenance:
    """Return a provenance whose subjects are called after their keyed fingerprints.

    The digests of images and labels, which are needed only to resume a run, are left out.
    """
    seen = {role: getattr(provenance, role) for role in ("pretraining", "training", "validation")}
    names = {name: _name(keyed(key, each)) for part in seen.values() for name, each in part.items()}
    prints = {role: [keyed(key, each) for each in part.values()] for role, part in seen.items()}
    anonymous = {role: {_name(each): each for each in sorted(part)} for role, part in prints.items()}
    return replace(
        provenance,
        pretraining=anonymous["pretraining"],
        training=anonymous["training"],
        validation=anonymous["validation"],
        phases=dict(sorted((names[name], phases) for name, phases in provenance.phases.items())),
        trained_on_test=tuple(sorted(names[name] for name in provenance.trained_on_test)),
        images={},
        pseudo_labels={},
        labels={},
    )


def _name(keyed_fingerprint: str) -> str:
    return f"subject-{keyed_fingerprint.partition(':')[2][:_NAME_DIGITS]}"
