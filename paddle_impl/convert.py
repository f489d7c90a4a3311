"""Between this framework's parameters and the neutral arrays."""

import numpy as np

from paddle_impl.model import GreedyHash
from paddle_impl.optimizer import learning_rate_of, set_learning_rate
from paddle_impl.runtime import paddle
from shared.checkpoint.checkpoint import Checkpoint
from shared.checkpoint.moments import SECOND, STEPS, separated
from shared.checkpoint.paddle_files import transposed
from shared.config.kernels import check_kernels
from shared.config.optimizers import ADAMW, BETA2, SGD
from shared.config.recipe import Recipe
from shared.network.alexnet import parameters

# optimiser -> what comes before a parameter's name, and the end of Paddle's name of the buffer
_BUFFERS = {SGD: {"": "velocity"}, ADAMW: {"": "moment1", SECOND: "moment2"}}
_NO_LONGER_COUNTED = 1_000_000  # steps, after which a power of a beta is as good as 0


def from_neutral(recipe: Recipe, arrays: dict[str, np.ndarray], device: str) -> GreedyHash:
    """A network on ``device``, the current one, with the neutral ``arrays``; UserError for kernels it does not have."""
    check_kernels(recipe.kernels, device)
    network = GreedyHash(recipe)
    load_neutral(recipe, network, arrays)
    return network


def load_neutral(recipe: Recipe, network: GreedyHash, arrays: dict[str, np.ndarray]) -> None:
    """Set the network's parameters to the neutral ``arrays``."""
    state = {p.name: transposed(arrays[p.name], p.kind) for p in parameters(recipe)}
    missing, unexpected = network.set_state_dict(state)
    if missing or unexpected:
        raise RuntimeError(f"parameters do not match the table: missing {missing}, unexpected {unexpected}")


def to_neutral(recipe: Recipe, network: GreedyHash) -> dict[str, np.ndarray]:
    """Copies of the network's parameters as neutral float32 arrays."""
    state = network.state_dict()
    return {p.name: transposed(state[p.name].numpy(), p.kind) for p in parameters(recipe)}


def momentum_from_neutral(
    recipe: Recipe, network: GreedyHash, optimizer: paddle.optimizer.Optimizer, momentum: dict[str, np.ndarray]
) -> None:
    """Give ``optimizer`` the neutral ``momentum`` arrays (shared/checkpoint/moments.py) as its accumulators."""
    names, state = dict(network.named_parameters()), {}
    for p in parameters(recipe):
        for prefix, buffer in _BUFFERS[recipe.optimizer].items():
            array = transposed(momentum[prefix + p.name], p.kind)
            state[_key(names[p.name], buffer)] = paddle.to_tensor(array)
        if recipe.optimizer == ADAMW:
            for number, beta in enumerate((recipe.momentum, BETA2), 1):
                power = _power(beta, int(momentum[STEPS]) + 1, array.dtype)
                state[_key(names[p.name], f"beta{number}_pow_acc")] = paddle.to_tensor(power, place=paddle.CPUPlace())
    optimizer.set_state_dict(state)
    if recipe.optimizer == ADAMW:
        optimizer.steps = int(momentum[STEPS])


def momentum_to_neutral(
    recipe: Recipe, network: GreedyHash, optimizer: paddle.optimizer.Optimizer
) -> dict[str, np.ndarray]:
    """Copies of the optimizer's accumulators as neutral arrays."""
    names, state = dict(network.named_parameters()), optimizer.state_dict()
    moments = {
        prefix + p.name: transposed(state[_key(names[p.name], buffer)].numpy(), p.kind)
        for prefix, buffer in _BUFFERS[recipe.optimizer].items()
        for p in parameters(recipe)
    }
    if recipe.optimizer == ADAMW:
        moments[STEPS] = np.array(optimizer.steps)
    return moments


def checkpoint_of(recipe: Recipe, network: GreedyHash, optimizer: paddle.optimizer.Optimizer, epoch: int) -> Checkpoint:
    """The state of training after ``epoch``, copied in the neutral form."""
    moments = separated(momentum_to_neutral(recipe, network, optimizer))
    return Checkpoint(to_neutral(recipe, network), **moments, epoch=epoch, learning_rate=learning_rate_of(optimizer))


def restore_checkpoint(
    recipe: Recipe, network: GreedyHash, optimizer: paddle.optimizer.Optimizer, state: Checkpoint
) -> None:
    """Go back to ``state``, which has momentum and epoch; the learning rate is the recipe's of that epoch."""
    load_neutral(recipe, network, state.weights)
    momentum_from_neutral(recipe, network, optimizer, state.moments)
    set_learning_rate(optimizer, recipe.learning_rate_at(state.epoch))


def _key(parameter: paddle.Tensor, buffer: str) -> str:
    return f"{parameter.name}_{buffer}_0"


def _power(beta: float, exponent: int, dtype: np.dtype) -> np.ndarray:
    """(1,): ``beta`` multiplied step by step, as Paddle does, so that a resumed training is the same to the bit."""
    factors = np.full(min(exponent, _NO_LONGER_COUNTED), beta, dtype)
    return np.multiply.accumulate(factors)[-1:]
