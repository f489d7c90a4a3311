"""This project's kernels (shared/kernels) as layers, losses, pool and optimiser of Paddle, on a CPU.

Of a layer, what is not among the ``shared`` families is Paddle's own.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from paddle_impl.runtime import paddle
from shared.kernels import losses, momentum, pooling
from shared.kernels.convolution import Convolution
from shared.kernels.linear import Linear as LinearKernels
from shared.kernels.products import contiguous

Tensor, nn, F = paddle.Tensor, paddle.nn, paddle.nn.functional
Native = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class _Layer(paddle.autograd.PyLayer):
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
        return _tensor(kernels.forward(_array(x), _oriented(_array(weight)), _array(bias)))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensor()
        arrays = [_array(gradient), _array(x), _oriented(_array(weight))]
        kernels = {
            "dx": lambda: ctx.kernels.input_gradient(*arrays),
            "dw": lambda: contiguous(_oriented(ctx.kernels.weight_gradient(*arrays))),
            "db": lambda: ctx.kernels.bias_gradient(arrays[0]),
        }
        inputs = dict(zip(kernels, (x, weight, bias), strict=True))
        wanted = [name for name, tensor in inputs.items() if tensor is not None and not tensor.stop_gradient]
        own = [name for name in wanted if f"{ctx.kernels.group}.{name}" in ctx.shared]
        others = {name: inputs[name] for name in wanted if name not in own}
        gradients = {name: _tensor(kernels[name]()) for name in own}
        gradients |= _native_gradients(ctx.native, inputs, others, gradient)
        return tuple(gradients.get(name) for name, tensor in inputs.items() if tensor is not None)


def _native_gradients(
    native: Native, inputs: dict[str, Tensor], wanted: dict[str, Tensor], gradient: Tensor
) -> dict[str, Tensor]:
    """Paddle's gradients at the ``wanted`` of the ``inputs``, from another forward pass."""
    if not wanted:
        return {}
    copies = {name: tensor.detach() for name, tensor in wanted.items()}
    for copy in copies.values():
        copy.stop_gradient = False
    with paddle.enable_grad():
        output = native(*(copies.get(name, tensor) for name, tensor in inputs.items()))
        return dict(zip(copies, paddle.grad(output, list(copies.values()), gradient), strict=True))


class Conv2D(nn.Conv2D):
    """Convolution, of which the ``shared`` families are this project's.

    It has the same name, because Paddle's optimiser names its velocities after a layer's class.
    """

    def __init__(self, inputs: int, outputs: int, side: int, stride: int, padding: int, shared: frozenset[str]) -> None:
        super().__init__(inputs, outputs, side, stride, padding)
        self._kernels, self._shared = Convolution(stride, padding), shared

    def forward(self, x: Tensor) -> Tensor:
        return _Layer.apply(x, self.weight, self.bias, self._kernels, self._native, self._shared)

    def _native(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(x, weight, bias, self._kernels.stride, self._kernels.padding)


class Linear(nn.Linear):
    """Fully connected layer, of which the ``shared`` families are this project's; its name for the same reason."""

    def __init__(self, inputs: int, outputs: int, bias: bool, shared: frozenset[str]) -> None:
        super().__init__(inputs, outputs, bias_attr=None if bias else False)
        self._shared = shared

    def forward(self, x: Tensor) -> Tensor:
        return _Layer.apply(x, self.weight, self.bias, LinearKernels(), F.linear, self._shared)


class _AveragePool(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x: Tensor, side: int) -> Tensor:
        ctx.save_for_backward(x)
        return _tensor(pooling.average(_array(x), side))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensor()
        return _tensor(pooling.average_gradient(_array(gradient), _array(x)))


def adaptive_avg_pool2d(x: Tensor, side: int) -> Tensor:
    """``x`` (B, C, H, W) -> (B, C, side, side)."""
    return _AveragePool.apply(x, side)


class _Term(paddle.autograd.PyLayer):
    """A scalar of which the kernel gives value and gradient at once."""

    @staticmethod
    def forward(ctx, x: Tensor, kernel: Callable[[np.ndarray], losses.Term]) -> Tensor:
        term = kernel(_array(x))
        ctx.save_for_backward(_tensor(term.gradient))
        return _tensor(term.value)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient * ctx.saved_tensor()[0]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of ``logits`` (B, classes); ``labels`` int64 (B,)."""
    return _Term.apply(logits, lambda array: losses.cross_entropy(array, _array(labels)))


def penalty(hash_logits: Tensor) -> Tensor:
    """Mean of ||h| - 1|^3 over hash logits h."""
    return _Term.apply(hash_logits, losses.penalty)


class Momentum(paddle.optimizer.Momentum):
    """Paddle's, with its state; the step is this project's."""

    def __init__(self, learning_rate: float, momentum: float, parameters: list, weight_decay: float) -> None:
        super().__init__(learning_rate, momentum, parameters=parameters)
        self._coefficients = momentum, weight_decay

    def _append_optimize_op(self, block: object, parameter_and_gradient: tuple[Tensor, Tensor]) -> None:
        parameter, gradient = parameter_and_gradient
        velocity = self._get_accumulator_master(self._velocity_acc_str, parameter)
        arrays = [_array(tensor) for tensor in (parameter, gradient, velocity)]
        momentum.update(*arrays, self.get_lr(), *self._coefficients)
        if not _shares_memory():
            parameter.set_value(arrays[0])
            velocity.set_value(arrays[2])


@cache
def _shares_memory() -> bool:
    """Whether a tensor and an array can have one memory, to be written too: with Paddle 3.3 and NumPy 2.1 or newer."""
    if not hasattr(Tensor, "__dlpack__"):
        return False
    return np.from_dlpack(paddle.to_tensor([0.0], place=paddle.CPUPlace())).flags.writeable


def _array(tensor: Tensor | None) -> np.ndarray | None:
    """The tensor's own memory as an array, or a copy where that cannot be."""
    if tensor is None:
        return None
    return np.from_dlpack(tensor.detach()) if _shares_memory() else tensor.numpy()


def _tensor(array: np.ndarray) -> Tensor:
    """The array's own memory as a tensor, or a copy where that cannot be."""
    return paddle.from_dlpack(array) if _shares_memory() else paddle.to_tensor(array)


def _oriented(weight: np.ndarray) -> np.ndarray:
    """A view from Paddle's orientation to the neutral one, or back: the weight of a linear layer is transposed."""
    return weight.T if weight.ndim == 2 else weight
