"""The optimisers as both frameworks compute them.

SGD: v = momentum*v + gradient + decay*p; p -= learning_rate*v. AdamW: p -= learning_rate*decay*p; m and v are running
means of the gradient and of its square, by ``momentum`` and ``BETA2``; p -= learning_rate*m'/(sqrt(v')+EPSILON), where
m' and v' are m and v divided by 1-beta**steps.
"""

from paddle_impl import kernels
from paddle_impl.model import GreedyHash
from paddle_impl.runtime import paddle
from shared.config.kernels import shared_families
from shared.config.optimizers import ADAMW, BETA2, EPSILON
from shared.config.recipe import Recipe


class _CountedAdamW(paddle.optimizer.AdamW):
    """Paddle's own, which counts its ``steps``: Paddle keeps powers of the betas alone, rounded at every step."""

    steps = 0

    def step(self) -> None:
        super().step()
        self.steps += 1


def make_optimizer(recipe: Recipe, network: GreedyHash) -> paddle.optimizer.Optimizer:
    """The optimiser of all parameters, at the learning rate of the first epoch."""
    if recipe.optimizer == ADAMW:
        return _CountedAdamW(
            *(recipe.learning_rate_at(1), recipe.momentum, BETA2, EPSILON),
            parameters=network.parameters(),
            weight_decay=recipe.weight_decay,
        )
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
