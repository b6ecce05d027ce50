"""Segment unlabelled subjects with a trained network, and keep what is plausible as pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.devices import choose_device
from cmr_ssp.errors import CohortError
from cmr_ssp.events import Cancel, OnEvent, Outcome, Preparing, ignore_events
from cmr_ssp.files import open_stack, resolve_subject
from cmr_ssp.finetuning.pseudo_labels import PseudoLabels
from cmr_ssp.function import Gravity, Judged, estimated_dice, find_flags, measure_shapes
from cmr_ssp.jobs.lifecycle import run_job
from cmr_ssp.jobs.notices import report_problems
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.prediction import Segmenter, load_segmenter, segment_cine
from cmr_ssp.runs import Run, lineage
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.subjects import Cohort, Role, Subject


@dataclass(frozen=True, slots=True)
class PseudoLabelRule:
    """Which frames get pseudo-labels.

    Attributes
    ----------
    n_frames : int
        Frames of each subject to segment, evenly over the cardiac cycle.
    least_dice : float
        Least 3D Dice of a frame, as estimated from the certainty of the network and from the shapes.
    most_wrong : int
        Most flags of a frame that are impossible in a heart.
    """

    n_frames: int = 6
    least_dice: float = 0.85
    most_wrong: int = 1


def pseudo_label(
    run: Run,
    subjects: Cohort,
    file: Path,
    *,
    rule: PseudoLabelRule | None = None,
    settings: JobSettings | None = None,
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Outcome:
    """Write pseudo-labels of subjects that a run was not trained on; labels that they have are not used.

    Test and validation subjects of the run are left out: nothing of them is read.

    Parameters
    ----------
    run : Run
        A run that segments; its last checkpoint is used.
    subjects : Cohort
        Subjects of its own cohort, of others, or of both.
    file : Path
        The file of `PseudoLabels` to write.
    rule : PseudoLabelRule, optional
        What to keep.
    settings : JobSettings, optional
        Device, threads and folder of slice banks.
    on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    CmrSspError
        If the run does not segment, no subject is left, or files cannot be read or written.
    """
    cancel, settings = cancel or Cancel(), settings or JobSettings()

    def work() -> Outcome:
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        segmenter = load_segmenter(run.last, choose_device(settings.device))
        report_problems(segmenter.problems, on_event)
        chosen = _to_segment(run, segmenter, subjects)

        def report(done: int, total: int) -> None:
            on_event(Preparing("subjects in the slice bank", done, total))

        bank = slice_bank(chosen, settings.bank_folder, report, cancel)
        guesser = _Guesser(segmenter, bank, rule or PseudoLabelRule(), cancel)
        for done, subject in enumerate(chosen, start=1):
            guesser.add(subject)
            on_event(Preparing("subjects with pseudo-labels", done, len(chosen)))
        guesser.labels(run).write(file)
        return Outcome.FINISHED

    return run_job(work, on_event)


def _to_segment(run: Run, segmenter: Segmenter, subjects: Cohort) -> tuple[Subject, ...]:
    split, trained = run.split(), set(segmenter.provenance.training)
    kept = (None, Role.TRAIN)
    chosen = tuple(s for s in subjects.subjects if split.role(s.id) in kept and s.id not in trained)
    if not chosen:
        what = "has no subject besides those for training with labels, validation and test"
        raise CohortError.of(subjects.root, what, "Add unlabelled cines.")
    return chosen


class _Guesser:
    """Segments subjects one after the other, and keeps what is plausible."""

    def __init__(self, segmenter: Segmenter, bank: SliceBank, rule: PseudoLabelRule, cancel: Cancel) -> None:
        self._segmenter, self._bank, self._rule, self._cancel = segmenter, bank, rule, cancel
        self._frames: dict[tuple[str, int], NDArray[np.uint8]] = {}
        self._n_left_out = 0

    def add(self, subject: Subject) -> None:
        """Segment some frames of a subject."""
        cine = self._bank.cine(subject.id)
        frames = _spread(len(cine.levels), self._rule.n_frames)
        certainty = np.zeros((len(frames), cine.levels.shape[1], len(Structure), 2), np.float32)
        labels = segment_cine(
            self._segmenter.network,
            cine.levels,
            cine.mean,
            cine.spacing_mm,
            cine.heart_px,
            self._segmenter.recipe,
            frames,
            lambda *_: self._cancel.check(),
            certainty=certainty,
        )
        plausible = self._plausible(subject, labels, certainty)
        for frame, drawing in zip(np.array(frames)[plausible].tolist(), labels[plausible], strict=True):
            self._frames[subject.id, frame] = drawing
        self._n_left_out += int((~plausible).sum())

    def labels(self, run: Run) -> PseudoLabels:
        """Return what was kept."""
        seen, bank = self._segmenter.provenance, self._bank
        made_by, *before = lineage(run, seen)
        return PseudoLabels(
            self._frames,
            dict(zip(bank.subject_ids, bank.fingerprints, strict=True)),
            made_by,
            tuple(before),
            {**seen.pretraining, **seen.training},
            self._n_left_out,
        )

    def _plausible(
        self, subject: Subject, labels: NDArray[np.uint8], certainty: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Return for each frame whether its labels may train."""
        grid = open_stack(resolve_subject(subject)).grid
        judged = Judged.of(
            measure_shapes(labels, grid.spacing_mm), [frozenset(Structure)] * len(labels), grid.slice_order
        )
        wrong = np.zeros(len(labels), int)
        for flag in find_flags(judged).frames:
            if flag.gravity is Gravity.WRONG and flag.frame is not None:
                wrong[flag.frame] += 1
        dice = np.nan_to_num(estimated_dice(judged, certainty))
        return np.asarray((dice >= self._rule.least_dice) & (wrong <= self._rule.most_wrong))


def _spread(n_frames: int, wanted: int) -> Sequence[int]:
    """Return frames evenly over a cardiac cycle, whose last frame is followed by the first."""
    return sorted({round(n * n_frames / wanted) for n in range(min(wanted, n_frames))})
