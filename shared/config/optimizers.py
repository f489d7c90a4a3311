"""The optimisers by name, AdamW's coefficients that no recipe changes, and what goes with either."""

from shared.config.kernels import shared_families
from shared.system.errors import UserError

SGD, ADAMW = "sgd", "adamw"
# name -> how it is called in a table
OPTIMIZERS = {SGD: "SGD", ADAMW: "AdamW"}
# the defaults of both frameworks; a recipe's momentum is AdamW's first beta
BETA2, EPSILON = 0.999, 1e-8
# at 1 the bias correction would divide by 0, and float32 rounds what is nearer to it
_LARGEST_BETA = 0.9999


def check_optimizer(optimizer: str, momentum: float, kernels: str) -> None:
    """UserError for kernels or a momentum that AdamW does not have."""
    if optimizer != ADAMW:
        return
    if "sgd" in shared_families(kernels):
        raise UserError(
            f"kernels: expected the framework's own update with optimizer {ADAMW}, received {kernels}, which is "
            f"SGD's; give it back (shared-sgd), or use optimizer {SGD}"
        )
    if momentum > _LARGEST_BETA:
        raise UserError(
            f"momentum: expected at most {_LARGEST_BETA} with optimizer {ADAMW}, whose first beta it is, received "
            f"{momentum}"
        )
