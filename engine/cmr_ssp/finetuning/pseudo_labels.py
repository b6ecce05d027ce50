"""Segmentations by an earlier network that train like labels, but never count as labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from cmr_ssp.atomic import replacing
from cmr_ssp.errors import LabelError
from cmr_ssp.runs.tensor_files import open_tensors

_HEADER, _FORMAT = "cmr_ssp", "pseudo-labels 1"
_REMEDY = "Make them again with `cmr-ssp pseudo-label`."


@dataclass(frozen=True, slots=True, eq=False)
class PseudoLabels:
    """Pseudo-labels of some frames of unlabelled subjects, on the grids of the slice bank.

    Attributes
    ----------
    frames : Mapping of (str, int) to ndarray of uint8, shape (slice, row, column)
        By subject id and frame.
    fingerprints : Mapping of str to str
        Fingerprint of the cine by subject id, of all subjects that were looked at.
    made_by : str
        Digest of the checkpoint that segmented.
    ancestors : tuple of str
        Digests of its own ancestors.
    seen : Mapping of str to str
        Fingerprints, by subject id, of what that network was trained on, with or without labels.
    n_left_out : int
        Frames that were left out since they were implausible.
    """

    frames: Mapping[tuple[str, int], NDArray[np.uint8]]
    fingerprints: Mapping[str, str]
    made_by: str
    ancestors: tuple[str, ...]
    seen: Mapping[str, str]
    n_left_out: int

    @property
    def subject_ids(self) -> tuple[str, ...]:
        """Subjects with at least one frame, sorted."""
        return tuple(sorted({name for name, _ in self.frames}))

    @property
    def digests(self) -> Mapping[str, str]:
        """A digest of the pseudo-labels of each subject."""
        found = {name: hashlib.sha256() for name in self.subject_ids}
        for (name, frame), labels in sorted(self.frames.items()):
            found[name].update(f"{frame} {labels.shape}".encode())
            found[name].update(np.ascontiguousarray(labels).data)
        return {name: digest.hexdigest() for name, digest in found.items()}

    def write(self, path: Path) -> None:
        """Write a file, atomically; the same content gives the same bytes.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        places = sorted(self.frames)
        arrays = {str(number): self.frames[place] for number, place in enumerate(places)}
        about = {
            "format": _FORMAT,
            "places": places,
            "fingerprints": dict(self.fingerprints),
            "made_by": self.made_by,
            "ancestors": self.ancestors,
            "seen": dict(self.seen),
            "n_left_out": self.n_left_out,
        }
        with replacing(path) as temporary:
            try:
                save_file(arrays, temporary, metadata={_HEADER: json.dumps(about, sort_keys=True)})
            except SafetensorError as error:  # raised by safetensors if the disk is full
                raise OSError(str(error)) from error

    @classmethod
    def read(cls, path: Path) -> PseudoLabels:
        """Read a file.

        Raises
        ------
        LabelError
            If it is missing, damaged or of another kind.
        """
        try:
            with open_tensors(path, "np") as file:
                about: dict[str, Any] = json.loads((file.metadata() or {})[_HEADER])
                if about["format"] != _FORMAT:
                    raise LabelError.of(path, "has pseudo-labels of another version", _REMEDY)
                frames = {
                    (str(name), int(frame)): file.get_tensor(str(number))
                    for number, (name, frame) in enumerate(about["places"])
                }
            return cls(
                frames,
                about["fingerprints"],
                about["made_by"],
                tuple(about["ancestors"]),
                about["seen"],
                int(about["n_left_out"]),
            )
        except FileNotFoundError:
            raise LabelError.of(path, "does not exist", _REMEDY) from None
        except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
            raise LabelError.of(path, f"has no pseudo-labels that can be read ({error})", _REMEDY) from error
