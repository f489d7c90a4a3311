"""The retrieval protocols and data sets by name: what a recipe may say of them, without any image."""

from typing import NamedTuple

from shared.system.errors import UserError

# name -> its number of classes, None where each has its own
DATASETS: dict[str, int | None] = {"cifar10": 10, "digits": 10, "custom": None}
MAX_CLASSES = 65_536


class Protocol(NamedTuple):
    """Images per class drawn as queries and for training, and what the database holds."""

    query: int
    train: int
    database: str  # "train+rest", "rest" or "train"


LISTED = "listed"
# names as in DeepHash-pytorch; cifar10-1 is the paper's CIFAR-10 (I), cifar10-2 its redraw of (II)
PROTOCOLS = {
    "cifar10-1": Protocol(query=100, train=500, database="train+rest"),
    "cifar10": Protocol(query=100, train=500, database="rest"),
    "cifar10-2": Protocol(query=1000, train=5000, database="train"),
    "digits-1": Protocol(query=50, train=100, database="train+rest"),
    # as the files of the data set have it
    LISTED: Protocol(query=0, train=0, database="listed"),
}
# what a recipe and an option say of the database -> what a protocol does
DATABASES = {"rest": "rest", "all": "train+rest", "train": "train"}
# the fields of a recipe that stand in the place of what its protocol says
CHANGES = ("queries_per_class", "train_per_class", "database")


def changed(protocol: str, queries_per_class: int, train_per_class: int, database: str) -> Protocol:
    """The protocol of this name with other values, where they are not 0 or "".

    Raises UserError for values beside a split that the files list.
    """
    named, given = PROTOCOLS[protocol], (queries_per_class, train_per_class, database)
    if protocol == LISTED and any(given):
        names = " and ".join(name for name, value in zip(CHANGES, given, strict=True) if value)
        raise UserError(f"{names}: expected none with the protocol {LISTED}, whose split the files decide")
    return Protocol(queries_per_class or named.query, train_per_class or named.train, DATABASES.get(database, named[2]))


def changes_of(protocol: str, rule: Protocol) -> dict[str, int | str]:
    """``CHANGES`` in canonical form: those by which ``rule`` differs from the protocol of this name, 0 or "" else."""
    named, names = PROTOCOLS[protocol], {value: name for name, value in DATABASES.items()}
    values = (rule.query, rule.train, names.get(rule.database, ""))
    kept = (value if rule[place] != named[place] else type(value)() for place, value in enumerate(values))
    return dict(zip(CHANGES, kept, strict=True))
