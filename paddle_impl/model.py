"""The network, the straight-through sign and the loss, as in GreedyHash (Su et al., NeurIPS 2018, eqs. 4-8)."""

from typing import NamedTuple

from paddle_impl.runtime import paddle
from shared.recipe import DROPOUT_PROBABILITY, POOLED_PX, Recipe, parameters

Tensor, nn, F = paddle.Tensor, paddle.nn, paddle.nn.functional


class SignStraightThrough(paddle.autograd.PyLayer):
    """sign(x) forward (0 at 0); the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, feature: Tensor) -> Tensor:
        return paddle.sign(feature)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


class Output(NamedTuple):
    """``feature`` (B, bits) before the sign, ``code`` (B, bits) after it, ``logits`` (B, classes)."""

    feature: Tensor
    code: Tensor
    logits: Tensor


class GreedyHash(nn.Layer):
    """AlexNet up to the ReLU after fc7, hash layer, sign, bias-free classifier on the code."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        shapes = {p.name: p.shape for p in parameters(recipe)}

        def conv(name: str, stride: int, padding: int) -> nn.Conv2D:
            outputs, inputs, side, _ = shapes[f"{name}.weight"]
            return nn.Conv2D(inputs, outputs, side, stride, padding)

        def linear(name: str) -> nn.Linear:
            outputs, inputs = shapes[f"{name}.weight"]
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
        """Normalised float pixels (B, 3, H, W) and dropout keep-masks (B, units) before fc6 and fc7.

        Without masks, dropout is the framework's own in training and off in evaluation.
        """
        mask6, mask7 = masks or (None, None)
        x = F.max_pool2d(F.relu(self.conv1(pixels)), 3, 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 3, 2)
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = F.max_pool2d(F.relu(self.conv5(x)), 3, 2)
        x = paddle.flatten(_pool_to_fixed_size(x), 1)
        x = F.relu(self.fc6(self._dropout(x, mask6)))
        x = F.relu(self.fc7(self._dropout(x, mask7)))
        feature = self.hash(x)
        code = SignStraightThrough.apply(feature)
        return Output(feature, code, self.classifier(code))

    def _dropout(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return F.dropout(x, DROPOUT_PROBABILITY, training=self.training)
        return x * mask.astype(x.dtype) * (1 / (1 - DROPOUT_PROBABILITY))


def _pool_to_fixed_size(x: Tensor) -> Tensor:
    # at 224 px it already has that size
    return x if x.shape[-1] == POOLED_PX else F.adaptive_avg_pool2d(x, POOLED_PX)


class Losses(NamedTuple):
    """Scalars: ``loss`` = ``cross_entropy`` + weight * ``penalty``."""

    loss: Tensor
    cross_entropy: Tensor
    penalty: Tensor


def losses(output: Output, labels: Tensor, penalty_weight: float) -> Losses:
    """Cross-entropy of the logits plus the weighted mean of ||h| - 1|^3 over features h; labels int64 (B,)."""
    cross_entropy = F.cross_entropy(output.logits, labels)
    penalty = paddle.mean(paddle.abs(paddle.abs(output.feature) - 1) ** 3)
    return Losses(cross_entropy + penalty_weight * penalty, cross_entropy, penalty)
