"""Synchronised batch norm: statistics over the whole batch of all processes, on CPUs too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm


class _Normalise(torch.autograd.Function):
    """Normalise with mean and variance over all processes, which hold equally many samples.

    PyTorch's `SyncBatchNorm` does not support CPUs. The backward pass returns the gradient of the sum of the
    losses of all processes.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the normalised inputs and the (biased) mean and variance, each (channel,)."""
        others = [axis for axis in range(inputs.ndim) if axis != 1]
        variance, mean = torch.var_mean(inputs.float(), others, correction=0)
        everyone = [
            torch.empty(2, len(mean), device=mean.device) for _ in range(distributed.get_world_size())
        ]
        distributed.all_gather(everyone, torch.stack((mean, variance)))
        means, variances = torch.stack(everyone).unbind(1)
        mean = means.mean(0)
        # Around the common mean: sums of squares would lose precision if the mean is large.
        variance = variances.mean(0) + (means - mean).square().mean(0)
        ctx.save_for_backward(inputs, weight, mean, (variance + eps).rsqrt())
        ctx.mark_non_differentiable(mean, variance)
        return functional.batch_norm(inputs, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Return the gradients of inputs, weight and bias."""
        inputs, weight, mean, inverse_sd = ctx.saved_tensors
        gradient = gradients[0].float()
        shape = [1, -1] + [1] * (inputs.ndim - 2)
        others = [axis for axis in range(inputs.ndim) if axis != 1]
        normal = (inputs.float() - mean.view(shape)) * inverse_sd.view(shape)
        sums = torch.stack((gradient.sum(others), (gradient * normal).sum(others)))
        of_all = sums.clone()
        distributed.all_reduce(of_all)
        n = inputs.numel() // inputs.shape[1] * distributed.get_world_size()
        mean_gradient, mean_product = (of_all / n).view(2, *shape).unbind(0)
        of_inputs = (gradient - mean_gradient - normal * mean_product) * (weight * inverse_sd).view(shape)
        return of_inputs.to(inputs.dtype), sums[1], sums[0], None


class SharedBatchNorm(_BatchNorm):
    """Batch norm synchronised over processes in training mode, with the state dict of ordinary batch norm."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def _check_input_dim(self, inputs: Tensor) -> None:
        del inputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise inputs (batch, channel, ...)."""
        if not self.training:
            return super().forward(inputs)
        normal, mean, variance = _Normalise.apply(  # type: ignore[no-untyped-call]
            inputs, self.weight, self.bias, self.eps
        )
        self._update_statistics(
            mean, variance, inputs.numel() // inputs.shape[1] * distributed.get_world_size()
        )
        result: Tensor = normal
        return result

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor, n: int) -> None:
        """Update the running statistics."""
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * n / max(1, n - 1), self.momentum)
        self.num_batches_tracked.add_(1)


def share_norms(network: nn.Module) -> None:
    """Replace every batch norm of a network by a synchronised one that shares its parameters and buffers."""
    for name, child in list(network.named_children()):
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
            shared._parameters, shared._buffers = child._parameters, child._buffers
            shared.training = child.training
            setattr(network, name, shared)
        else:
            share_norms(child)
