"""Numbers beyond float32: which networks could reach them, and which images' hash logits and logits are none."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from shared.data.pixels import SCALE, SHIFT
from shared.system.errors import Diverged, UserError

WHY_NOT_FINITE = "with these weights numbers grow beyond float32"
# the predicted class where there is none: of an image whose logits are not finite, or from a model without classifier
NO_CLASS = -1
# two digits below float32's largest: fast convolutions add and subtract before they multiply
_LARGEST = 3e36


class NotFinite(UserError):
    """Hash logits or logits of some images are not finite, so they have no codes."""


class Reach(NamedTuple):
    """How far a layer can carry: the largest sum of ``|weight|`` that goes into a unit, and the largest ``|bias|``."""

    weight: float
    bias: float


def reaches(arrays: Mapping[str, np.ndarray]) -> list[Reach]:
    """The reach of every layer of neutral weights, input side first."""
    layers = []
    with np.errstate(over="ignore"):
        for name in (name for name in arrays if name.endswith(".weight")):
            bias = arrays.get(name.replace(".weight", ".bias"), np.zeros(1))
            weight = np.abs(arrays[name]).reshape(len(arrays[name]), -1).sum(axis=1)
            layers.append(Reach(float(weight.max()), float(np.abs(bias).max())))
    return layers


def may_overflow(layers: Iterable[Reach]) -> bool:
    """Whether some image could carry an activation of the network beyond float32; its classifier comes last.

    No activation exceeds the layer's reach times the largest before it, so where these bounds stay small no layer needs
    a check. Elsewhere every layer needs one: a ReLU may turn NaN into 0 (Paddle's does), which hides it from then on.
    """
    *hidden, classifier = layers
    largest, bounds = float(np.abs([SHIFT, SHIFT + 255 * SCALE]).max()), [classifier.weight]
    for layer in hidden:
        largest = largest * layer.weight + layer.bias
        bounds.append(largest)
    return not all(bound < _LARGEST for bound in bounds)  # NaN is not less


def predicted_classes(logits: np.ndarray) -> np.ndarray:
    """int64 (N,): the class of the largest of finite logits (N, classes), the first of equals, else ``NO_CLASS``."""
    return np.where(np.isfinite(logits).all(axis=1), logits.argmax(axis=1), NO_CLASS).astype(np.int64)


def finite_images(hash_logits: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Whether hash logits (N, bits) and logits, by the class predicted from them (N,), are finite: bool (N,)."""
    return np.isfinite(hash_logits).all(axis=1) & (predicted != NO_CLASS)


def check_finite(hash_logits: np.ndarray, predicted: np.ndarray) -> None:
    """Raise NotFinite, with a count, unless every image's hash logits and logits are finite."""
    bad = int((~finite_images(hash_logits, predicted)).sum())
    if bad:
        kind = "logits" if np.isfinite(hash_logits).all() else "hash logits"
        raise NotFinite(
            f"{bad} of {len(hash_logits)} images have {kind} that are not finite; {WHY_NOT_FINITE}, so there are no "
            "codes to score: train again, at a lower learning rate"
        )


def check_losses(epoch: int, **losses: float) -> None:
    """Raise Diverged unless the losses, by their names, are finite."""
    if not all(map(math.isfinite, losses.values())):
        received = ", ".join(f"{name.replace('_', '-')} {value:.4g}" for name, value in losses.items())
        raise Diverged(
            f"training diverged: the loss is not finite in epoch {epoch} ({received}); lower the learning rate, or "
            "start from other weights"
        )
