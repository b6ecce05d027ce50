"""Label versions that were corrected from a run's prediction."""

from __future__ import annotations

from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.files import add_version, open_stack
from cmr_ssp.files.versions.origin import LabelVersion
from cmr_ssp.jobs.scoring import Scorer
from cmr_ssp.jobs.segmenting import segment_frames
from cmr_ssp.runs import CheckpointName, Run, choose_checkpoint, file_digest
from cmr_ssp.subjects import Origin, Segmentation, Subject


def add_correction(
    folder: Path,
    subject: Subject,
    phase: Phase,
    labels: Segmentation,
    run: Run,
    *,
    prediction: Segmentation | None = None,
    device: str = "auto",
    checkpoint: CheckpointName = "last",
) -> LabelVersion:
    """Add labels that were corrected from a run's prediction; see `cmr_ssp.files.add_version`.

    Parameters
    ----------
    folder, subject, phase, labels
        As for `add_version`.
    run : Run
        Run that made the prediction.
    prediction : Segmentation, optional
        Prediction before correction; by default the stored one, else the frame is segmented again.
    device : str
        Device for that.
    checkpoint : str
        Checkpoint of the run that made the prediction, ``last`` or ``best``.

    Raises
    ------
    CmrSspError
        If run, images or labels cannot be used, or the folder is not writable.
    """
    path = choose_checkpoint(run, checkpoint).path
    digest = file_digest(path) if path.exists() else ""
    kept = (folder / subject.id / phase / "v000.json").exists()
    if not digest or (prediction is None and not kept):
        prediction = predict_frame(run, subject, labels.frame, device, checkpoint)
    origin = Origin.CORRECTED
    return add_version(
        folder, subject, phase, labels, origin=origin, checkpoint=digest, prediction=prediction
    )


def predict_frame(
    run: Run, subject: Subject, frame: int, device: str = "auto", checkpoint: CheckpointName = "last"
) -> Segmentation:
    """Segment one frame of a subject.

    Raises
    ------
    CmrSspError
        If the run does not segment or the images cannot be read.
    """
    scorer, stack = Scorer.of(run, device, checkpoint=checkpoint), open_stack(subject)
    labels = segment_frames(scorer.segmenter, stack, [frame]).of(frame)
    return Segmentation.of(labels, frame)
