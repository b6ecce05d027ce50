"""The U-Net: the paper's size, output shapes, and the values of a slow reference implementation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from cmr_ssp.networks import Decoder, Encoder, UNet, fold_norms
from cmr_ssp.networks.unet import Upsampling
from cmr_ssp.recipes import NetworkSettings
from torch import nn

PAPER = NetworkSettings().channels


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def paper() -> UNet:
    with torch.device("meta"):  # sizes without memory
        return UNet(PAPER, 4, deep_supervision=True)


def test_the_papers_channels_give_its_number_of_parameters(paper: UNet) -> None:
    assert PAPER == (32, 64, 128, 256, 512, 512, 512)
    assert parameters(paper) == pytest.approx(33.47e6, abs=0.005e6)
    assert parameters(paper) == sum(map(parameters, (paper.encoder, paper.decoder, paper.heads)))


def test_every_resolution_but_the_lowest_has_an_output(paper: UNet) -> None:
    outputs = paper(torch.empty(2, 1, 256, 256, device="meta"))
    assert [tuple(output.shape) for output in outputs] == [(2, 4, 256 >> k, 256 >> k) for k in range(6)]


def test_without_deep_supervision_only_the_full_resolution_has_one() -> None:
    network = UNet((2, 3, 4), 1, deep_supervision=False)
    for mode in (True, False):
        assert network.train(mode)(torch.zeros(1, 1, 8, 16)).shape == (1, 1, 8, 16)
    assert parameters(network.heads) == 2 + 1


@pytest.mark.parametrize("channels_last", [False, True])
def test_upsampling_is_a_transposed_convolution_forward_and_backward(channels_last: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = Upsampling(5, 3).double(), nn.ConvTranspose2d(5, 3, 2, 2).double()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 5, 4, 6, dtype=torch.float64)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    upstream = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    found, expected = (
        (outputs, *torch.autograd.grad(outputs, (inputs, *module.parameters()), upstream))
        for module in (ours, theirs)
        for inputs in [images.clone().requires_grad_()]
        for outputs in [module(inputs)]
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_in_evaluation_there_is_one_output_of_full_resolution_also_exported() -> None:
    network = UNet((2, 3, 4), 4, deep_supervision=True)
    images = torch.randn(2, 1, 8, 16)
    network(images)
    outputs = network.eval()(images)
    assert outputs.shape == (2, 4, 8, 16)
    network.train()
    network.encoder.eval(), network.decoder.eval()  # the same norms, the outputs of training
    assert torch.equal(outputs, network(images)[0])
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as such
        traced = torch.jit.trace(network, images)
    exported = torch.export.export(network, (images,)).module()
    for again in (traced, exported):
        torch.testing.assert_close(again(images), outputs)


def test_encoder_and_decoder_work_apart() -> None:
    torch.manual_seed(0)
    network = UNet((2, 3, 4), 4, deep_supervision=True)
    network.encoder.eval(), network.decoder.eval()
    encoder, decoder = Encoder((2, 3, 4)).eval(), Decoder((2, 3, 4)).eval()
    encoder.load_state_dict(network.encoder.state_dict())
    decoder.load_state_dict(network.decoder.state_dict())
    images = torch.randn(2, 1, 8, 8)
    features = encoder(images)
    assert [tuple(f.shape) for f in features] == [(2, 2, 8, 8), (2, 3, 4, 4), (2, 4, 2, 2)]
    for head, decoded, output in zip(network.heads, decoder(features), network(images), strict=True):
        assert torch.equal(head(decoded), output)


def test_initialised_as_torch_does() -> None:
    torch.manual_seed(3)
    network = UNet((2, 4), 4, deep_supervision=True)
    torch.manual_seed(3)
    assert torch.equal(network.encoder.stages[0][0].weight, nn.Conv2d(1, 2, 3, 1, 1).weight)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            fan_in = module.weight[0].numel()
            assert module.weight.abs().max() <= fan_in**-0.5  # uniform within that bound
            assert module.weight.std() > 0.2 * fan_in**-0.5


def convolve(image: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """3x3 convolution of (channel, row, column) with zeros around, pixel by pixel."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    rows, columns = image.shape[1] // stride, image.shape[2] // stride
    result = np.empty((len(weight), rows, columns))
    for out, i, j in np.ndindex(result.shape):
        patch = padded[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
        result[out, i, j] = (patch * weight[out]).sum() + bias[out]
    return result


def block(image: np.ndarray, state: dict[str, np.ndarray], name: str, stride: int) -> np.ndarray:
    for conv, norm, step in ((0, 1, stride), (3, 4, 1)):
        image = convolve(image, state[f"{name}.{conv}.weight"], state[f"{name}.{conv}.bias"], step)
        mean, variance, scale, shift = (
            state[f"{name}.{norm}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        image = (image - mean) / np.sqrt(variance + 1e-5) * scale + shift
        image = np.where(image > 0, image, 0.01 * image)
    return image


def upsample(image: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """2x2 transposed convolution of (channel, row, column) with stride 2."""
    result = np.zeros((weight.shape[1], 2 * image.shape[1], 2 * image.shape[2])) + bias[:, None, None]
    for channel, i, j in np.ndindex(image.shape):
        result[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += image[channel, i, j] * weight[channel]
    return result


def slow_forward(image: np.ndarray, state: dict[str, np.ndarray], n_stages: int) -> list[np.ndarray]:
    features = [block(image, state, "encoder.stages.0", stride=1)]
    for stage in range(1, n_stages):
        features.append(block(features[-1], state, f"encoder.stages.{stage}", stride=2))
    below, outputs = features[-1], []
    for stage in range(n_stages - 1):
        name = f"decoder.upsamplings.{stage}"
        up = upsample(below, state[f"{name}.weight"], state[f"{name}.bias"])
        below = block(np.concatenate((up, features[-2 - stage])), state, f"decoder.stages.{stage}", stride=1)
        outputs.append(below)
    return [
        np.einsum("oc,cij->oij", state[f"heads.{k}.weight"][:, :, 0, 0], decoded)
        + state[f"heads.{k}.bias"][:, None, None]
        for k, decoded in enumerate(reversed(outputs))
    ]


def test_forward_agrees_with_a_reference_implementation() -> None:
    torch.manual_seed(1)
    network = UNet((2, 3, 4), 4, deep_supervision=True).double()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():  # norms that do something
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif tensor.is_floating_point():
                tensor.add_(torch.randn_like(tensor) * 0.3)
    network.encoder.eval(), network.decoder.eval()
    image = torch.randn(1, 1, 8, 12, dtype=torch.float64)
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    expected = slow_forward(image[0].numpy(), state, n_stages=3)
    for found, slow in zip(network(image), expected, strict=True):
        np.testing.assert_allclose(found[0].detach().numpy(), slow, rtol=1e-9, atol=1e-9)


def test_folded_norms_compute_the_same_without_changing_the_network() -> None:
    network = UNet((3, 4, 5), 2, deep_supervision=True)
    for _ in range(3):
        network(torch.randn(4, 1, 16, 16) * 3 + 1)  # means and deviations other than 0 and 1
    images, state = torch.randn(2, 1, 16, 16), {k: v.clone() for k, v in network.state_dict().items()}
    folded = fold_norms(network)
    assert network.training and not folded.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded(images), network.eval()(images))
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
