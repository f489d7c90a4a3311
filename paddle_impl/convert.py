"""Between this framework's parameters and the neutral arrays."""

import numpy as np

from paddle_impl.model import GreedyHash
from paddle_impl.optimizer import learning_rate_of, set_learning_rate
from paddle_impl.runtime import paddle
from shared.checkpoint.checkpoint import Checkpoint
from shared.checkpoint.paddle_files import transposed
from shared.config.kernels import check_kernels
from shared.config.recipe import Recipe
from shared.network.alexnet import parameters


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
    """Give ``optimizer`` the neutral ``momentum`` arrays as its velocities."""
    names = dict(network.named_parameters())
    state = {
        _velocity_key(names[p.name]): paddle.to_tensor(transposed(momentum[p.name], p.kind)) for p in parameters(recipe)
    }
    optimizer.set_state_dict(state)


def momentum_to_neutral(
    recipe: Recipe, network: GreedyHash, optimizer: paddle.optimizer.Optimizer
) -> dict[str, np.ndarray]:
    """Copies of the optimizer's velocities as neutral float32 arrays."""
    names, state = dict(network.named_parameters()), optimizer.state_dict()
    return {p.name: transposed(state[_velocity_key(names[p.name])].numpy(), p.kind) for p in parameters(recipe)}


def checkpoint_of(recipe: Recipe, network: GreedyHash, optimizer: paddle.optimizer.Optimizer, epoch: int) -> Checkpoint:
    """The state of training after ``epoch``, copied in the neutral form."""
    momentum = momentum_to_neutral(recipe, network, optimizer)
    return Checkpoint(to_neutral(recipe, network), momentum, epoch, learning_rate_of(optimizer))


def restore_checkpoint(
    recipe: Recipe, network: GreedyHash, optimizer: paddle.optimizer.Optimizer, state: Checkpoint
) -> None:
    """Go back to ``state``, which has momentum and epoch; the learning rate is the recipe's of that epoch."""
    load_neutral(recipe, network, state.weights)
    momentum_from_neutral(recipe, network, optimizer, state.momentum)
    set_learning_rate(optimizer, recipe.learning_rate_at(state.epoch))


def _velocity_key(parameter: paddle.Tensor) -> str:
    return f"{parameter.name}_velocity_0"
