"""The network, the straight-through sign and the loss, as in GreedyHash (Su et al., NeurIPS 2018, eqs. 4-8)."""

from collections.abc import Callable
from typing import NamedTuple

from paddle_impl import kernels
from paddle_impl.runtime import paddle
from shared.config.kernels import shared_families, takes
from shared.config.recipe import Recipe
from shared.network.alexnet import DROPOUT_PROBABILITY, parameters
from shared.system.machine import is_tuned

Tensor, nn, F = paddle.Tensor, paddle.nn, paddle.nn.functional
Stage = Callable[[Tensor], Tensor]


class SignStraightThrough(paddle.autograd.PyLayer):
    """sign(x) forward (0 at 0); the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, hash_logits: Tensor) -> Tensor:
        return paddle.sign(hash_logits)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


class Conv2D(nn.Conv2D):
    """Paddle's, whose bias is added several times as fast in training on a CPU.

    It has the same name, because Paddle's optimiser names its velocities after a layer's class.
    """

    def __init__(self, inputs: int, outputs: int, side: int, stride: int, padding: int) -> None:
        super().__init__(inputs, outputs, side, stride, padding)
        self.stride, self.padding = stride, padding
        self.adds_fast = is_tuned() and paddle.get_device() == "cpu"

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.adds_fast):
            return super().forward(x)
        outputs = F.conv2d(x, self.weight, None, self.stride, self.padding)
        # Paddle adds a number a channel, and sums its gradient, number by number on one thread; an array for every
        # image it adds and sums as a whole
        return outputs + self.bias.reshape([-1, 1, 1]).expand(outputs.shape[1:])


class Output(NamedTuple):
    """``hash_logits`` (B, bits) before the sign, ``code`` (B, bits) after it, ``logits`` (B, classes)."""

    hash_logits: Tensor
    code: Tensor
    logits: Tensor


class GreedyHash(nn.Layer):
    """AlexNet up to the ReLU after fc7, hash layer, sign, bias-free classifier on the code."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        shapes = {p.name: p.shape for p in parameters(recipe)}
        self.pooled_px = recipe.pooled_px
        self.shared = shared_families(recipe.kernels)

        def conv(name: str, stride: int, padding: int) -> Conv2D:
            outputs, inputs, side, _ = shapes[f"{name}.weight"]
            if takes("conv", self.shared):
                return kernels.Conv2D(inputs, outputs, side, stride, padding, self.shared)
            return Conv2D(inputs, outputs, side, stride, padding)

        def linear(name: str) -> nn.Linear:
            outputs, inputs = shapes[f"{name}.weight"]
            if takes("linear", self.shared):
                return kernels.Linear(inputs, outputs, f"{name}.bias" in shapes, self.shared)
            return nn.Linear(inputs, outputs, bias_attr=None if f"{name}.bias" in shapes else False)

        self.conv1 = conv("conv1", stride=4, padding=2)
        self.conv2 = conv("conv2", stride=1, padding=2)
        self.conv3 = conv("conv3", stride=1, padding=1)
        self.conv4 = conv("conv4", stride=1, padding=1)
        self.conv5 = conv("conv5", stride=1, padding=1)
        self.fc6 = linear("fc6")
        self.fc7 = linear("fc7")
        self.hash = linear("hash")
        self.classifier = linear("classifier")

    def forward(self, pixels: Tensor, masks: tuple[Tensor, Tensor] | None = None) -> Output:
        """Normalised float pixels (B, 3, H, W) and dropout masks (1 = keep) (B, units) before fc6 and fc7.

        Without masks, dropout is the framework's own in training and off in evaluation.
        """
        x = pixels
        for _, stage in self.stages(masks):
            x = stage(x)
        code = SignStraightThrough.apply(x)
        return Output(x, code, self.classifier(code))

    def stages(self, masks: tuple[Tensor, Tensor] | None = None) -> list[tuple[str, Stage]]:
        """The named steps from pixels to hash logits, in order."""
        mask6, mask7 = masks or (None, None)
        return [
            ("conv1", self.conv1),
            ("relu1", F.relu),
            ("pool1", _max_pool),
            ("conv2", self.conv2),
            ("relu2", F.relu),
            ("pool2", _max_pool),
            ("conv3", self.conv3),
            ("relu3", F.relu),
            ("conv4", self.conv4),
            ("relu4", F.relu),
            ("conv5", self.conv5),
            ("relu5", F.relu),
            ("pool5", _max_pool),
            ("flatten", self._flatten),
            ("dropout6", lambda x: self._dropout(x, mask6)),
            ("fc6", self.fc6),
            ("relu6", F.relu),
            ("dropout7", lambda x: self._dropout(x, mask7)),
            ("fc7", self.fc7),
            ("relu7", F.relu),
            ("hash", self.hash),
        ]

    def _flatten(self, x: Tensor) -> Tensor:
        # as published, it already has that size
        pool = (kernels if "pool" in self.shared else F).adaptive_avg_pool2d
        pooled = x if x.shape[-1] == self.pooled_px else pool(x, self.pooled_px)
        return paddle.flatten(pooled, 1)

    def _dropout(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return F.dropout(x, DROPOUT_PROBABILITY, training=self.training)
        return x * mask.astype(x.dtype) * (1 / (1 - DROPOUT_PROBABILITY))


def _max_pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2)


class Losses(NamedTuple):
    """Scalars: ``loss`` = ``cross_entropy`` + weight * ``penalty``."""

    loss: Tensor
    cross_entropy: Tensor
    penalty: Tensor


def _penalty(hash_logits: Tensor) -> Tensor:
    return paddle.mean(paddle.abs(paddle.abs(hash_logits) - 1) ** 3)


def losses(output: Output, labels: Tensor, recipe: Recipe) -> Losses:
    """Cross-entropy of the logits plus the weighted mean of ||h| - 1|^3 over hash logits h; labels int64 (B,)."""
    shared = shared_families(recipe.kernels)
    cross_entropy = (kernels if "ce" in shared else F).cross_entropy(output.logits, labels)
    penalty = (kernels.penalty if "penalty" in shared else _penalty)(output.hash_logits)
    return Losses(cross_entropy + recipe.penalty_weight * penalty, cross_entropy, penalty)
