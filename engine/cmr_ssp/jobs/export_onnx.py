"""Write a trained network as ONNX, for programs without PyTorch."""

from __future__ import annotations

import json
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch

from cmr_ssp.atomic import replacing
from cmr_ssp.errors import OutputError
from cmr_ssp.events import OnEvent, ignore_events
from cmr_ssp.jobs.share import load_to_share
from cmr_ssp.networks import fold_norms
from cmr_ssp.prediction.trained import SegmentationNetwork, describe
from cmr_ssp.runs import CheckpointName, Run, file_digest
from cmr_ssp.runs.card import INTENDED_USE

INSTALL = 'pip install "cmr-ssp[onnx]"'
OPSET = 17


def export_onnx(
    run: Run, file: Path, *, checkpoint: CheckpointName = "last", on_event: OnEvent = ignore_events
) -> None:
    """Write the network of a run as one ONNX file.

    The input ``images`` has the shape (batch, 1, row, column) and is standardised as the metadata says; rows
    and columns are divisible by ``divisor``. The output ``logits`` has the shape (batch, class, row, column).
    Crops, averages over flips and largest components are not part of the network. Metadata: classes,
    normalisation, spacing, crop, digest of the checkpoint, intended use; no subjects.

    Parameters
    ----------
    run : Run
        A run that segments patients' exams.
    file : Path
        The file to write, ending in .onnx.
    checkpoint : str
        ``last`` or ``best``.
    on_event : callable
        Called with warnings.

    Raises
    ------
    CmrSspError
        If the run does not segment patients' exams, is damaged, the package onnx is missing, or the file
        cannot be written.
    """
    if file.suffix.lower() != ".onnx":
        raise OutputError.of(file, "does not end in .onnx", "Choose a name such as model.onnx.")
    if find_spec("onnx") is None:
        what = "writing ONNX needs the package onnx, which is not installed"
        raise OutputError.of(file, what, f"Install it with: {INSTALL}")
    path, unet, recipe, _ = load_to_share(run, checkpoint, on_event)
    about = describe(recipe)
    network = SegmentationNetwork(fold_norms(unet), about).eval()
    metadata = {
        "classes": json.dumps(about.classes),
        "normalisation": about.normalisation,
        "spacing_mm": str(about.spacing_mm),
        "crop_px": str(about.crop_px),
        "centre": about.centre,
        "divisor": str(about.divisor),
        "checkpoint": file_digest(path),
        "intended_use": INTENDED_USE,
    }
    with replacing(file) as temporary:
        _write(network, temporary, metadata)


def _write(network: SegmentationNetwork, path: Path, metadata: dict[str, str]) -> None:
    import onnx

    size = network.description.crop_px
    axes = {0: "batch", 2: "row", 3: "column"}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers its newer exporter
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, size, size),),
            path,
            dynamo=False,  # the newer way needs two more packages, and writes the same for such a network
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": axes, "logits": axes},
            opset_version=OPSET,
        )
    model = onnx.load(path)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, path)
