"""SGD as both frameworks compute it: v = momentum*v + gradient + decay*p; p -= learning_rate*v."""

from paddle_impl import kernels
from paddle_impl.model import GreedyHash
from paddle_impl.runtime import paddle
from shared.config.kernels import shared_families
from shared.config.recipe import Recipe


def make_optimizer(recipe: Recipe, network: GreedyHash) -> paddle.optimizer.Momentum:
    """The optimiser of all parameters, at the learning rate of the first epoch."""
    make = kernels.Momentum if "sgd" in shared_families(recipe.kernels) else paddle.optimizer.Momentum
    return make(
        recipe.learning_rate_at(1), recipe.momentum, parameters=network.parameters(), weight_decay=recipe.weight_decay
    )


def set_learning_rate(optimizer: paddle.optimizer.Optimizer, learning_rate: float) -> None:
    """Use ``learning_rate`` from the next step on."""
    optimizer.set_lr(learning_rate)


def learning_rate_of(optimizer: paddle.optimizer.Optimizer) -> float:
    """The learning rate the optimiser holds."""
    return optimizer.get_lr()
