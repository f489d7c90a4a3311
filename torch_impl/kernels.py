"""This project's kernels (shared/kernels) as layers, losses, pool and optimiser of PyTorch, on a CPU.

Of a layer, what is not among the ``shared`` families is PyTorch's own.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.kernels import losses, momentum, pooling
from shared.kernels.convolution import Convolution
from shared.kernels.linear import Linear as LinearKernels

Native = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class _Layer(torch.autograd.Function):
    """A layer of input, weight and bias (or None)."""

    @staticmethod
    def forward(
        ctx,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        kernels: Convolution | LinearKernels,
        native: Native,
        shared: frozenset[str],
    ) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        ctx.kernels, ctx.native, ctx.shared = kernels, native, shared
        if f"{kernels.group}.fwd" not in shared:
            return native(x, weight, bias)
        return torch.from_numpy(kernels.forward(*map(_array, (x, weight, bias))))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        arrays = [_array(tensor) for tensor in (gradient, x, weight)]
        kernels = {
            "dx": lambda: ctx.kernels.input_gradient(*arrays),
            "dw": lambda: ctx.kernels.weight_gradient(*arrays),
            "db": lambda: ctx.kernels.bias_gradient(arrays[0]),
        }
        inputs = dict(zip(kernels, (x, weight, bias), strict=True))
        wanted = [name for name, needed in zip(kernels, ctx.needs_input_grad, strict=False) if needed]
        own = [name for name in wanted if f"{ctx.kernels.group}.{name}" in ctx.shared]
        others = {name: inputs[name] for name in wanted if name not in own}
        gradients = {name: torch.from_numpy(kernels[name]()) for name in own}
        gradients |= _native_gradients(ctx.native, inputs, others, gradient)
        return *(gradients.get(name) for name in kernels), None, None, None


def _native_gradients(
    native: Native, inputs: dict[str, Tensor], wanted: dict[str, Tensor], gradient: Tensor
) -> dict[str, Tensor]:
    """PyTorch's gradients at the ``wanted`` of the ``inputs``, from another forward pass."""
    if not wanted:
        return {}
    copies = {name: tensor.detach().requires_grad_() for name, tensor in wanted.items()}
    with torch.enable_grad():
        output = native(*(copies.get(name, tensor) for name, tensor in inputs.items()))
    return dict(zip(copies, torch.autograd.grad(output, list(copies.values()), gradient), strict=True))


class Conv2d(nn.Conv2d):
    """Convolution, of which the ``shared`` families are this project's."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int, padding: int, shared: frozenset[str]) -> None:
        super().__init__(inputs, outputs, side, stride, padding)
        self._kernels, self._shared = Convolution(stride, padding), shared

    def forward(self, x: Tensor) -> Tensor:
        return _Layer.apply(x, self.weight, self.bias, self._kernels, self._native, self._shared)

    def _native(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(x, weight, bias, self.stride, self.padding)


class Linear(nn.Linear):
    """Fully connected layer, of which the ``shared`` families are this project's."""

    def __init__(self, inputs: int, outputs: int, bias: bool, shared: frozenset[str]) -> None:
        super().__init__(inputs, outputs, bias)
        self._shared = shared

    def forward(self, x: Tensor) -> Tensor:
        return _Layer.apply(x, self.weight, self.bias, LinearKernels(), F.linear, self._shared)


class _AveragePool(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, side: int) -> Tensor:
        ctx.save_for_backward(x)
        return torch.from_numpy(pooling.average(_array(x), side))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return torch.from_numpy(pooling.average_gradient(_array(gradient), _array(x))), None


def adaptive_avg_pool2d(x: Tensor, side: int) -> Tensor:
    """``x`` (B, C, H, W) -> (B, C, side, side)."""
    return _AveragePool.apply(x, side)


class _Term(torch.autograd.Function):
    """A scalar of which the kernel gives value and gradient at once."""

    @staticmethod
    def forward(ctx, x: Tensor, kernel: Callable[[np.ndarray], losses.Term]) -> Tensor:
        term = kernel(_array(x))
        ctx.save_for_backward(torch.from_numpy(term.gradient))
        return torch.from_numpy(term.value)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.saved_tensors[0], None


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of ``logits`` (B, classes); ``labels`` int64 (B,)."""
    return _Term.apply(logits, lambda array: losses.cross_entropy(array, _array(labels)))


def penalty(hash_logits: Tensor) -> Tensor:
    """Mean of ||h| - 1|^3 over hash logits h."""
    return _Term.apply(hash_logits, losses.penalty)


class SGD(torch.optim.SGD):
    """PyTorch's, with its state; the step is this project's."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            coefficients = (group["lr"], group["momentum"], group["weight_decay"])
            for parameter in group["params"]:
                state = self.state[parameter]
                if state.get("momentum_buffer") is None:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                arrays = [_array(t) for t in (parameter, parameter.grad.contiguous(), state["momentum_buffer"])]
                momentum.update(*arrays, *coefficients)
        return loss


def _array(tensor: Tensor | None) -> np.ndarray | None:
    """The tensor's own memory as an array."""
    return None if tensor is None else tensor.detach().numpy()
