"""`cmr_ssp.load_network` and `load_encoder` return plain modules of torch."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import cmr_ssp
import pytest
import torch
from cmr_ssp.errors import CheckpointError
from cmr_ssp.networks import Encoder
from cmr_ssp.prediction import load_segmenter
from cmr_ssp.recipes import method_names
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Cohort
from cohort_helpers import pretraining
from torch import nn


def test_it_is_the_network_that_segments_with_one_output(tuned: Run) -> None:
    network, images = cmr_ssp.load_network(tuned), torch.randn(3, 1, 16, 16)
    assert isinstance(network, nn.Module) and not network.training
    logits = network(images)
    assert logits.shape == (3, 4, 16, 16)
    segmenter = load_segmenter(tuned.last, torch.device("cpu")).network
    torch.testing.assert_close(logits, segmenter(images), rtol=1e-4, atol=1e-4)  # norms are folded there
    assert network.train()(images).shape == logits.shape, "deep supervision is left out in training too"


def test_what_it_takes_and_returns_is_described(tuned: Run) -> None:
    about = cmr_ssp.load_network(str(tuned.folder)).description
    assert about.classes == ("background", "LV", "MYO", "RV")
    assert (about.spacing_mm, about.crop_px, about.centre, about.divisor) == (4.0, 16, "motion", 2)
    assert (about.method, about.channels) == ("finetune", (3, 4))
    assert "standard deviation" in about.normalisation


def test_images_of_a_slice_bank_are_normalised_as_described(cohort: Cohort) -> None:
    bank = cmr_ssp.SliceBank.of(cohort.subjects[:1])
    images = torch.stack([item["image"] for item in bank])
    torch.testing.assert_close(images.mean(), torch.tensor(0.0), atol=5e-3, rtol=0)
    torch.testing.assert_close(images.std(), torch.tensor(1.0), atol=5e-3, rtol=0)


def test_it_can_be_traced_exported_and_pickled(tuned: Run) -> None:
    network, images = cmr_ssp.load_network(tuned), torch.randn(2, 1, 16, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as such
        traced = torch.jit.trace(network, images)
    exported = torch.export.export(network, (images,)).module()
    copy = pickle.loads(pickle.dumps(network))  # noqa: S301 - our own
    for again in (traced, exported, copy):
        torch.testing.assert_close(again(images), network(images))


def test_the_encoder_can_be_reached_by_name(tuned: Run) -> None:
    network = cmr_ssp.load_network(tuned)
    encoder, images = network.get_submodule("encoder"), torch.randn(1, 1, 16, 16)
    alone = cmr_ssp.load_encoder(tuned)
    assert isinstance(encoder, Encoder) and not alone.training
    for one, other in zip(encoder(images), alone(images), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("method", method_names())
def test_every_method_has_an_encoder_and_no_segmentation(method: str, cohort: Cohort, tmp_path: Path) -> None:
    run = cmr_ssp.pretrain(cohort, pretraining(method), tmp_path / "run")
    encoder = cmr_ssp.load_encoder(run)
    assert [feature.shape[1] for feature in encoder(torch.zeros(2, 1, 16, 16))] == [3, 4]
    assert (encoder.description.method, encoder.description.classes) == (method, ())
    with pytest.raises(CheckpointError, match="does not segment"):
        cmr_ssp.load_network(run)
