"""The NumPy reference, beside both frameworks: closed forms that neither of them computed."""

import numpy as np

from shared.checkpoint.moments import SECOND, STEPS
from shared.config.optimizers import ADAMW, BETA2, EPSILON
from shared.config.recipe import Recipe
from shared.network.alexnet import parameters
from shared.worker.probe import MOMENTUM, WEIGHT, Arrays, injected_gradients, prefixed, take


def optimiser_state(recipe: Recipe, start: Arrays, rates: tuple[float, ...], dtype: str) -> Arrays:
    """Weights and momentum after steps of the recipe's optimiser with the injected gradients, in float64.

    ``start`` holds ``weight.`` and ``momentum.`` arrays. Gradients, learning rates and AdamW's betas are rounded to
    ``dtype``, the other coefficients to float32, as frameworks store them.
    """
    update = _adamw if recipe.optimizer == ADAMW else _sgd
    return update(recipe, start, rates, dtype)


def _sgd(recipe: Recipe, start: Arrays, rates: tuple[float, ...], dtype: str) -> Arrays:
    """V = mu*v + g + wd*p, p -= lr*v."""
    mu, decay = (float(np.float32(value)) for value in (recipe.momentum, recipe.weight_decay))
    weights = {name: array.astype(np.float64) for name, array in take(start, WEIGHT).items()}
    momentum = {name: array.astype(np.float64) for name, array in take(start, MOMENTUM).items()}
    for step, learning_rate in enumerate(np.array(rates, dtype).astype(np.float64)):
        gradients = injected_gradients(recipe, step, dtype)
        for p in parameters(recipe):
            momentum[p.name] = mu * momentum[p.name] + gradients[p.name] + decay * weights[p.name]
            weights[p.name] = weights[p.name] - learning_rate * momentum[p.name]
    return prefixed(WEIGHT, weights) | prefixed(MOMENTUM, momentum)


def _adamw(recipe: Recipe, start: Arrays, rates: tuple[float, ...], dtype: str) -> Arrays:
    """P -= lr*wd*p, then p -= lr * m'/(sqrt(v')+eps); m' and v' are the running means divided by 1 - beta**steps."""
    beta1, beta2, *learning_rates = np.array([recipe.momentum, BETA2, *rates], dtype).astype(np.float64)
    decay = float(np.float32(recipe.weight_decay))
    weights, moments = ({n: a.astype(np.float64) for n, a in take(start, p).items()} for p in (WEIGHT, MOMENTUM))
    first = int(moments.pop(STEPS)) + 1
    for step, learning_rate in enumerate(learning_rates, first):
        gradients = injected_gradients(recipe, step - first, dtype)
        for name, gradient in gradients.items():
            moments[name] = beta1 * moments[name] + (1 - beta1) * gradient
            moments[SECOND + name] = beta2 * moments[SECOND + name] + (1 - beta2) * gradient.astype(np.float64) ** 2
            mean, square = moments[name] / (1 - beta1**step), moments[SECOND + name] / (1 - beta2**step)
            kept = weights[name] * (1 - learning_rate * decay)
            weights[name] = kept - learning_rate * mean / (np.sqrt(square) + EPSILON)
    moments[STEPS] = np.array(first - 1 + len(learning_rates))
    return prefixed(WEIGHT, weights) | prefixed(MOMENTUM, moments)


def linear_outputs(outputs: Arrays, start: Arrays) -> Arrays:
    """Outputs of the linear layers, each from the output of the stage before it, in the dtype that both have.

    ``outputs`` are those of every stage of one pass by name; ``start`` holds the ``weight.`` arrays.
    """
    inputs = {"fc6": "dropout6", "fc7": "dropout7", "hash": "relu7", "classifier": "sign"}
    weights = take(start, WEIGHT)
    return {
        name: outputs[before] @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", np.float32(0))
        for name, before in inputs.items()
    }


def rates(recipe: Recipe) -> np.ndarray:
    """The learning rate of every epoch as in the published codes: lr * 0.1 ** (epoch // 30), epochs from 0."""
    start, factor, every = recipe.learning_rate, recipe.lr_drop_factor, recipe.lr_drop_epoch
    return np.array([start * factor ** (epoch // every) for epoch in range(recipe.epochs)])


def pooled(outputs: np.ndarray, side: int) -> np.ndarray:
    """Outputs (N, C, S, S) averaged to (N, C, side, side) and flattened to (N, C * side * side).

    Window i is floor(i * S / side) to ceil((i + 1) * S / side): neighbours share a row if ``side`` does not divide S.
    """
    size = outputs.shape[-1]
    windows = [slice(i * size // side, -(-(i + 1) * size // side)) for i in range(side)]
    means = [outputs[..., rows, columns].mean(axis=(2, 3)) for rows in windows for columns in windows]
    return np.stack(means, axis=2).reshape(len(outputs), -1)


def probabilities(hash_logits: np.ndarray, classifier: np.ndarray, dtype: str) -> np.ndarray:
    """Softmax of the bias-free classifier (classes, bits) on the code of ``hash_logits`` (N, bits), in ``dtype``."""
    logits = np.sign(hash_logits).astype(dtype) @ classifier.astype(dtype).T
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def hash_logit_gradient(answer: Arrays, start: Arrays, labels: np.ndarray, penalty_weight: float) -> np.ndarray:
    """dL/dh of a straight-through sign: the classifier's dL/dcode, plus the penalty's own gradient (0 at h = 0)."""
    logits, h = answer["logits"].astype(np.float64), answer["feature"].astype(np.float64)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = shifted / shifted.sum(axis=1, keepdims=True)
    through = (softmax - np.eye(logits.shape[1])[labels]) / len(labels) @ start["weight.classifier.weight"]
    distance = np.abs(h) - 1
    return through + penalty_weight * 3 * distance**2 * np.sign(distance) * np.sign(h) / h.size


def losses(logits: np.ndarray, hash_logits: np.ndarray, labels: np.ndarray, penalty_weight: float) -> Arrays:
    """Loss terms of each image, float64 (N,), by their definition from the logits of classifier and hash layer.

    Those of a batch are their means.
    """
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    cross_entropy = -log_softmax[np.arange(len(labels)), labels]
    penalty = (np.abs(np.abs(hash_logits.astype(np.float64)) - 1) ** 3).mean(axis=1)
    total = cross_entropy + penalty_weight * penalty
    return {"cross_entropy": cross_entropy, "penalty": penalty, "loss": total}
