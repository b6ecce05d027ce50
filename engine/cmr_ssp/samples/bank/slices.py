"""All slices of a cohort, standardised, in one memory-mapped file with an index.

The folder holds ``slices.bin`` (float16 levels of every slice on its own in-plane grid, then uint8 labels
if there are any), ``index.npy`` (one `SLICE` entry per slice) and ``bank.json`` (subjects).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.samples.bank.content import SubjectContent
from cmr_ssp.samples.bank.files import INDEX, PIXELS, check, damaged, read_about
from cmr_ssp.samples.bank.items import SliceItem, equally_large, slice_item
from cmr_ssp.samples.bank.use import InUse
from cmr_ssp.subjects import Subject

SLICE = np.dtype(
    [
        ("subject", "i4"),
        ("frame", "i4"),
        ("slice", "i4"),
        ("n_slices", "i4"),
        ("phase", "i1"),  # -1 unlabelled, else the position in `Phase`
        ("drawn", "u1"),  # bit 1 << (structure - 1)
        ("rows", "i4"),
        ("columns", "i4"),
        ("spacing_mm", "f8", 2),  # row, column
        ("heart_px", "f8", 2),  # row, column on the stored grid
        ("heart_sure", "?"),
        ("mean", "f4"),  # of the cine's levels
        ("highest", "f4"),  # of the cine's levels
        ("image_at", "i8"),  # byte offsets; labels_at is -1 where there are none
        ("labels_at", "i8"),
    ]
)

_ALL_DRAWN = sum(1 << (structure - 1) for structure in Structure)


@dataclass(frozen=True, slots=True, eq=False)
class SliceBank(Dataset[SliceItem]):
    """Slices of many subjects, memory-mapped; a map-style data set of torch.

    ``bank[n]`` is slice sample `n` on its own grid, see `SliceItem`; a `DataLoader` gets the slices of a
    batch padded to the largest of them. A pickled bank, as workers get it, is the name of its folder.

    Attributes
    ----------
    folder : Path
        Where it lies.
    index : structured ndarray of `SLICE`
        One entry per slice, ordered by subject, frame and slice.
    subject_ids : tuple of str
        By subject number.
    fingerprints : tuple of str
        By subject number; a digest of the cine's pixels.

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> bank = cmr_ssp.SliceBank.of(cohort)
    >>> bank[0]["image"].shape[0], bank[0]["subject"], bank[0]["frame"]
    (1, 'a', 0)
    >>> batch = next(iter(DataLoader(bank, batch_size=4)))
    >>> batch["image"].shape[:2] == (4, 1)
    True
    """

    folder: Path
    index: NDArray[np.void]
    subject_ids: tuple[str, ...]
    fingerprints: tuple[str, ...]
    contents: tuple[SubjectContent, ...]
    _bytes: NDArray[np.uint8]
    _in_use: InUse | None = None
    _more: NDArray[np.uint8] | None = None
    """Labels that are not in the file; their offsets continue those of the file."""

    @classmethod
    def of(cls, subjects: Iterable[Subject], folder: Path | None = None) -> SliceBank:
        """Return the bank of some subjects, from the cache or built there.

        Parameters
        ----------
        subjects : iterable of Subject
            Such as a `Cohort`.
        folder : Path, optional
            Of banks; the user's cache folder unless given.

        Raises
        ------
        CmrSspError
            As `cmr_ssp.samples.bank.building.slice_bank`.
        """
        from cmr_ssp.samples.bank.building import slice_bank  # which imports this module

        return slice_bank(tuple(subjects), folder)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, sample: int) -> SliceItem:
        return slice_item(self, sample)

    def __getitems__(self, samples: Sequence[int]) -> list[SliceItem]:
        """Return the slices of a batch, all of one size; `DataLoader` asks for them."""
        return equally_large([self[sample] for sample in samples])

    def __reduce__(self) -> tuple[Callable[[Path], SliceBank], tuple[Path]]:
        if self._more is not None:
            raise TypeError("a slice bank with more labels than its file cannot be pickled")
        return _reopened, (self.folder,)

    def with_labels(self, labels: Mapping[tuple[str, int], NDArray[np.uint8]]) -> SliceBank:
        """Return the same slices with other labels of all structures in some frames; the file keeps its own.

        The slices of these frames have no phase, so that `samples` does not take them for labelled.

        Parameters
        ----------
        labels : Mapping of (str, int) to ndarray of uint8, shape (slice, row, column)
            By subject id and frame, on the grid of the bank; 0 or a `Structure` number.

        Raises
        ------
        ValueError
            If a frame is not in the bank, or has another shape.
        """
        index, offset = self.index.copy(), len(self._bytes)
        for (subject_id, frame), drawing in labels.items():
            here = self.samples([subject_id])
            here = here[index["frame"][here] == frame]
            entries = index[here]
            shape = (len(here), *_shape(entries[0])) if len(here) else ()
            if drawing.shape != shape:
                raise ValueError(f"{subject_id}, frame {frame}: cannot have labels of shape {drawing.shape}")
            index["labels_at"][here] = offset + np.arange(len(here)) * drawing[0].size
            index["drawn"][here], index["phase"][here] = _ALL_DRAWN, -1
            offset += drawing.size
        more = [np.ascontiguousarray(drawing).ravel() for drawing in labels.values()]
        return replace(self, index=index, _more=np.concatenate(more) if more else None)

    @property
    def relative_position(self) -> NDArray[np.float64]:
        """Slice index over number of slices, 0 at the base where the order is known."""
        return np.asarray(self.index["slice"] / self.index["n_slices"], dtype=np.float64)

    @property
    def unsure_of_heart(self) -> tuple[str, ...]:
        """Ids of the subjects in which motion did not show where the heart is."""
        numbers = np.unique(self.index["subject"][~self.index["heart_sure"]])
        return tuple(self.subject_ids[number] for number in numbers)

    def image(self, sample: int) -> NDArray[np.float16]:
        """Return the levels of a slice sample, shape (row, column)."""
        entry = self.index[sample]
        return self._bytes_of(entry, "image_at", 2).view(np.float16).reshape(_shape(entry))

    def labels(self, sample: int) -> NDArray[np.uint8] | None:
        """Return the labels of a slice sample, shape (row, column), None where nobody drew any."""
        entry = self.index[sample]
        if entry["labels_at"] < 0:
            return None
        return self._bytes_of(entry, "labels_at", 1).reshape(_shape(entry))

    def samples(
        self, subject_ids: Iterable[str] | None = None, phases: Collection[Phase] | None = None
    ) -> NDArray[np.int64]:
        """Return the sample numbers of some subjects; with `phases`, of labelled slices of these phases."""
        chosen = np.ones(len(self.index), dtype=bool)
        if subject_ids is not None:
            numbers = [self.subject_ids.index(name) for name in subject_ids]
            chosen &= np.isin(self.index["subject"], numbers)
        if phases is not None:
            chosen &= np.isin(self.index["phase"], [tuple(Phase).index(phase) for phase in phases])
        return np.flatnonzero(chosen)

    def drawn(self, samples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which structures somebody drew, shape (sample, structure) in the order of `Structure`."""
        bits = self.index["drawn"][samples]
        return np.stack([bits & (1 << (structure - 1)) != 0 for structure in Structure], axis=1)

    def cine(self, subject_id: str) -> BankedCine:
        """Return everything of one subject."""
        samples = self.samples([subject_id])
        entries = self.index[samples]
        first = entries[0]
        n_frames, n_slices = int(entries["frame"].max()) + 1, int(first["n_slices"])
        shape = (n_frames, n_slices, int(first["rows"]), int(first["columns"]))
        labels: dict[int, NDArray[np.uint8]] = {}
        for frame in range(n_frames):
            here = samples[frame * n_slices : (frame + 1) * n_slices]
            slices = [self.labels(sample) for sample in here]
            labels |= {frame: np.stack([s for s in slices if s is not None])} if slices[0] is not None else {}
        drawn = self.drawn(samples[::n_slices])
        return BankedCine(
            np.stack([self.image(sample) for sample in samples]).reshape(shape),
            float(first["mean"]),
            (float(first["spacing_mm"][0]), float(first["spacing_mm"][1])),
            (float(first["heart_px"][0]), float(first["heart_px"][1])),
            labels,
            tuple(frozenset(s for s in Structure if frame[s - 1]) for frame in drawn),
        )

    def _bytes_of(self, entry: np.void, offset: str, bytes_a_pixel: int) -> NDArray[np.uint8]:
        start, (rows, columns) = int(entry[offset]), _shape(entry)
        source = self._bytes
        if self._more is not None and start >= len(source):
            source, start = self._more, start - len(source)
        return source[start : start + rows * columns * bytes_a_pixel]


def _shape(entry: np.void) -> tuple[int, int]:
    return int(entry["rows"]), int(entry["columns"])


@dataclass(frozen=True, slots=True, eq=False)
class BankedCine:
    """One subject's cine as it lies in the bank.

    Attributes
    ----------
    levels : ndarray of float16, shape (frame, slice, row, column)
        See `StandardisedCine`.
    mean : float
        Of the levels.
    spacing_mm, heart_px : tuple of float
        (row, column).
    labels : dict of int to ndarray of uint8, shape (slice, row, column)
        By labelled frame.
    drawn : tuple of frozenset of Structure
        By frame; empty where nobody drew.
    """

    levels: NDArray[np.float16]
    mean: float
    spacing_mm: tuple[float, float]
    heart_px: tuple[float, float]
    labels: dict[int, NDArray[np.uint8]]
    drawn: tuple[frozenset[Structure], ...]


def empty_bank() -> SliceBank:
    """Return a bank without slices, for what has to be known before there are any."""
    return SliceBank(Path(), np.empty(0, SLICE), (), (), (), np.empty(0, np.uint8))


def open_bank(folder: Path) -> SliceBank:
    """Open a bank that `slice_bank` built, once its digest is found right; nobody evicts it while it is open.

    Of more than 256 MiB of pixels 256 blocks of 1 MiB are read for the digest; the rest stays on disk.

    Raises
    ------
    CacheError
        Where the bank is damaged or not there.
    """
    in_use = InUse(folder)
    check(folder, read_about(folder))
    return _mapped(folder, in_use)


def _reopened(folder: Path) -> SliceBank:
    """Open a bank for a worker of somebody who has it open, and so found it whole."""
    return _mapped(folder, InUse(folder))


def _mapped(folder: Path, in_use: InUse) -> SliceBank:
    about = read_about(folder)
    try:
        index = np.load(folder / INDEX, allow_pickle=False)
        # Copy on write: torch wants writable memory, the file stays as it is.
        pixels = np.memmap(folder / PIXELS, dtype=np.uint8, mode="c")
    except (OSError, ValueError) as error:
        raise damaged(folder, "its files cannot be opened") from error
    plain = np.asarray(pixels)  # still mapped; slicing numpy's own class for it takes several times as long
    contents = tuple(SubjectContent.from_dict(tree) for tree in about["contents"])
    ids, fingerprints = tuple(about["subject_ids"]), tuple(about["fingerprints"])
    return SliceBank(folder, index, ids, fingerprints, contents, plain, in_use)
