"""Between this framework's parameters and the neutral arrays; PyTorch's orientation is the neutral one."""

import numpy as np
import torch

from shared.checkpoint.checkpoint import Checkpoint
from shared.checkpoint.moments import SECOND, STEPS, separated
from shared.config.kernels import check_kernels
from shared.config.optimizers import ADAMW, SGD
from shared.config.recipe import Recipe
from shared.network.alexnet import parameters
from torch_impl.model import GreedyHash
from torch_impl.optimizer import learning_rate_of, set_learning_rate

# optimiser -> what comes before a parameter's name, and PyTorch's name of the buffer
_BUFFERS = {SGD: {"": "momentum_buffer"}, ADAMW: {"": "exp_avg", SECOND: "exp_avg_sq"}}


def from_neutral(recipe: Recipe, arrays: dict[str, np.ndarray], device: str) -> GreedyHash:
    """A network on ``device`` with the neutral ``arrays`` as its parameters; UserError for kernels it does not have."""
    check_kernels(recipe.kernels, device)
    network = GreedyHash(recipe)
    load_neutral(recipe, network, arrays)
    return network.to(device)


def load_neutral(recipe: Recipe, network: GreedyHash, arrays: dict[str, np.ndarray]) -> None:
    """Set the network's parameters to the neutral ``arrays``."""
    network.load_state_dict({p.name: torch.from_numpy(arrays[p.name]) for p in parameters(recipe)}, strict=True)


def to_neutral(recipe: Recipe, network: GreedyHash) -> dict[str, np.ndarray]:
    """Copies of the network's parameters as neutral float32 arrays."""
    state = network.state_dict()
    return {p.name: state[p.name].cpu().numpy().copy() for p in parameters(recipe)}


def momentum_from_neutral(
    recipe: Recipe, network: GreedyHash, optimizer: torch.optim.Optimizer, momentum: dict[str, np.ndarray]
) -> None:
    """Give ``optimizer`` the neutral ``momentum`` arrays (shared/checkpoint/moments.py) as its buffers."""
    names = dict(network.named_parameters())
    for p in parameters(recipe):
        parameter = names[p.name]
        for prefix, buffer in _BUFFERS[recipe.optimizer].items():
            optimizer.state[parameter][buffer] = torch.from_numpy(momentum[prefix + p.name].copy()).to(parameter)
        if recipe.optimizer == ADAMW:
            optimizer.state[parameter]["step"] = torch.tensor(float(momentum[STEPS]))


def momentum_to_neutral(recipe: Recipe, network: GreedyHash, optimizer: torch.optim.Optimizer) -> dict[str, np.ndarray]:
    """Copies of the optimizer's buffers as neutral arrays."""
    names = dict(network.named_parameters())
    states = {p.name: optimizer.state[names[p.name]] for p in parameters(recipe)}
    buffers = {
        prefix + name: state[buffer]
        for prefix, buffer in _BUFFERS[recipe.optimizer].items()
        for name, state in states.items()
    }
    moments = {name: buffer.cpu().numpy().copy() for name, buffer in buffers.items()}
    if recipe.optimizer == ADAMW:
        moments[STEPS] = np.array([int(state["step"]) for state in states.values()]).max()
    return moments


def checkpoint_of(recipe: Recipe, network: GreedyHash, optimizer: torch.optim.Optimizer, epoch: int) -> Checkpoint:
    """The state of training after ``epoch``, copied in the neutral form."""
    moments = separated(momentum_to_neutral(recipe, network, optimizer))
    return Checkpoint(to_neutral(recipe, network), **moments, epoch=epoch, learning_rate=learning_rate_of(optimizer))


def restore_checkpoint(
    recipe: Recipe, network: GreedyHash, optimizer: torch.optim.Optimizer, state: Checkpoint
) -> None:
    """Go back to ``state``, which has momentum and epoch; the learning rate is the recipe's of that epoch."""
    load_neutral(recipe, network, state.weights)
    momentum_from_neutral(recipe, network, optimizer, state.moments)
    set_learning_rate(optimizer, recipe.learning_rate_at(state.epoch))
