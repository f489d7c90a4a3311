"""Types and ranges of a recipe's fields."""

import math
from typing import get_args

from shared.config.protocols import MAX_CLASSES
from shared.system.errors import UserError, printable

MAX_BITS = 4096
# the least and the largest value of a number; a recipe can come from any file, and memory follows its sizes
_LIMITS = {
    "bits": (1, MAX_BITS),
    "num_classes": (2, MAX_CLASSES),
    "seed": (0, 2**32 - 1),
    "epochs": (1, 1_000_000),
    "eval_every": (0, 1_000_000),  # 0: the last epoch only
    "input_px": (63, 2048),  # AlexNet's pools need 63
    "hidden_units": (1, 65_536),
    "pooled_px": (1, 63),  # what 2048 px leave
    "batch_size": (1, 65_536),
    "lr_drop_epoch": (1, 1_000_000),
    "lr_drop_factor": (0, 1),
    "learning_rate": (0, 1e6),
    "momentum": (0, 1),
    "weight_decay": (0, 1e6),
    "penalty_weight": (0, 1e6),
    "queries_per_class": (0, 1_000_000),
    "train_per_class": (0, 1_000_000),
    "listed_train": (0, 2**31 - 1),
    "store_px": (0, 2048),  # 0: the network's input
    "topk": (0, 2**31 - 1),  # 0: the whole ranking
    "last_place": (0, 2**31 - 1),  # 0: no weight is changed
}
TYPES = {str: "a text", int: "a whole number", float: "a finite number", tuple[str, ...]: "a list of texts"}


def check_field(name: str, expected: object, value: object) -> None:
    """Raise UserError unless ``value`` is of the ``expected`` type and, a number, within the limits of ``name``."""
    if get_args(expected):
        right = isinstance(value, tuple) and all(isinstance(text, str) for text in value)
    else:
        right = isinstance(value, (int, float) if expected is float else expected) and not isinstance(value, bool)
    if not right or (isinstance(value, float) and not math.isfinite(value)):
        raise UserError(f"{name}: expected {TYPES[expected]}, received {printable(value, 50)!r}")
    if name in _LIMITS:
        least, most = _LIMITS[name]
        if not least <= value <= most:
            raise UserError(f"{name}: expected {least} to {most}, received {printable(value)}")
