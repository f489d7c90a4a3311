"""The retrieval protocols and data sets by name: what a recipe may say of them, without any image."""

from typing import NamedTuple

# name -> its number of classes, None where each has its own
DATASETS: dict[str, int | None] = {"cifar10": 10, "digits": 10, "custom": None}
MAX_CLASSES = 65_536


class Protocol(NamedTuple):
    """Images per class drawn as queries and for training, and what the database holds."""

    query: int
    train: int
    database: str  # "train+rest", "rest" or "train"


# names as in DeepHash-pytorch; cifar10-1 is the paper's CIFAR-10 (I), cifar10-2 its redraw of (II)
PROTOCOLS = {
    "cifar10-1": Protocol(query=100, train=500, database="train+rest"),
    "cifar10": Protocol(query=100, train=500, database="rest"),
    "cifar10-2": Protocol(query=1000, train=5000, database="train"),
    "digits-1": Protocol(query=50, train=100, database="train+rest"),
}
