"""Load trained networks for use in other code."""

from __future__ import annotations

import warnings

from cmr_ssp import prediction
from cmr_ssp.api.arguments import PathLike, as_run
from cmr_ssp.prediction import PretrainedEncoder, SegmentationNetwork
from cmr_ssp.runs import CheckpointName, Run, choose_checkpoint


def load_network(run: PathLike | Run, checkpoint: CheckpointName = "last") -> SegmentationNetwork:
    """Return the network of a run as a plain `torch.nn.Module` in evaluation mode.

    It takes images (batch, 1, row, column) and returns one tensor of logits (batch, class, row, column), also
    in training mode. Its `description` has the normalisation and pixel spacing of the images and the class of
    each channel; its encoder is `network.encoder`.

    Parameters
    ----------
    run : str, path or Run
        From `finetune`.
    checkpoint : str
        ``last``, or ``best``: the one with the best validation. Without validation it is the one with the
        lowest training loss, which gives a `UserWarning`.

    Raises
    ------
    CheckpointError
        If the run has no segmentation network, or its checkpoint is missing or damaged.
    RunError
        If the run has no best checkpoint.

    Examples
    --------
    >>> import torch
    >>> network = cmr_ssp.load_network("runs/tuned")
    >>> size = network.description.crop_px
    >>> network(torch.zeros(2, 1, size, size)).shape == (2, 4, size, size)
    True
    """
    chosen = choose_checkpoint(as_run(run), checkpoint)
    for problem in chosen.problems:
        warnings.warn(str(problem), stacklevel=2)
    return prediction.load_network(chosen.path)


def load_encoder(run: PathLike | Run) -> PretrainedEncoder:
    """Return the encoder of a run of any method as a plain `torch.nn.Module` in evaluation mode.

    It takes images (batch, 1, row, column) and returns the features of every resolution, highest first.

    Parameters
    ----------
    run : str, path or Run
        From `pretrain` or `finetune`; its last checkpoint is used.

    Raises
    ------
    CheckpointError
        If the checkpoint is missing or damaged.

    Examples
    --------
    >>> encoder = cmr_ssp.load_encoder("runs/mim")
    >>> features = encoder(torch.zeros(1, 1, 64, 64))
    >>> len(features) == len(encoder.description.channels)
    True
    """
    return prediction.load_encoder(as_run(run).last)
