"""The optimisers as both frameworks compute them.

SGD: v = momentum*v + gradient + decay*p; p -= learning_rate*v. AdamW: p -= learning_rate*decay*p; m and v are running
means of the gradient and of its square, by ``momentum`` and ``BETA2``; p -= learning_rate*m'/(sqrt(v')+EPSILON), where
m' and v' are m and v divided by 1-beta**steps.
"""

import numpy as np
import torch

from shared.config.kernels import shared_families
from shared.config.optimizers import ADAMW, BETA2, EPSILON
from shared.config.recipe import Recipe
from torch_impl import kernels
from torch_impl.model import GreedyHash


def make_optimizer(recipe: Recipe, network: GreedyHash) -> torch.optim.Optimizer:
    """The optimiser of all parameters, at the learning rate of the first epoch; its state names them."""
    # coefficients rounded as Paddle keeps them, so that both sides use the same numbers
    momentum, decay = (float(np.float32(value)) for value in (recipe.momentum, recipe.weight_decay))
    if recipe.optimizer == ADAMW:
        betas = tuple(_in_dtype_of(network, value) for value in (recipe.momentum, BETA2))
        return torch.optim.AdamW(network.named_parameters(), recipe.learning_rate_at(1), betas, EPSILON, decay)
    make = kernels.SGD if "sgd" in shared_families(recipe.kernels) else torch.optim.SGD
    return make(network.named_parameters(), recipe.learning_rate_at(1), momentum=momentum, weight_decay=decay)


def _in_dtype_of(network: torch.nn.Module, value: float) -> float:
    return float(value if next(network.parameters()).dtype == torch.float64 else np.float32(value))


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
