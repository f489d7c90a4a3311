"""SGD as both frameworks compute it: v = momentum*v + gradient + decay*p; p -= learning_rate*v."""

import numpy as np
import torch

from shared.config.kernels import shared_families
from shared.config.recipe import Recipe
from torch_impl import kernels
from torch_impl.model import GreedyHash


def make_optimizer(recipe: Recipe, network: GreedyHash) -> torch.optim.SGD:
    """The optimiser of all parameters, at the learning rate of the first epoch; its state names them."""
    # coefficients rounded to float32, as Paddle keeps them, so that both sides use the same numbers
    momentum, decay = (float(np.float32(value)) for value in (recipe.momentum, recipe.weight_decay))
    make = kernels.SGD if "sgd" in shared_families(recipe.kernels) else torch.optim.SGD
    return make(network.named_parameters(), recipe.learning_rate_at(1), momentum=momentum, weight_decay=decay)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Use ``learning_rate`` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def learning_rate_of(optimizer: torch.optim.Optimizer) -> float:
    """The learning rate the optimiser holds; a RuntimeError if its parameter groups differ."""
    learning_rates = {group["lr"] for group in optimizer.param_groups}
    if len(learning_rates) != 1:
        raise RuntimeError(f"expected one learning rate, the optimiser holds {sorted(learning_rates)}")
    return learning_rates.pop()
