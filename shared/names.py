"""What GreedyHash's parameters are called in the wild: one table per family of names, and who wrote a given file."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from shared.errors import UserError

_FEATURES = {
    "features.0": "conv1",
    "features.3": "conv2",
    "features.6": "conv3",
    "features.8": "conv4",
    "features.10": "conv5",
}
# torchvision's names of AlexNet's layers; its classifier.6 maps to ImageNet's 1,000 classes and has no place here
TORCHVISION = _FEATURES | {"classifier.1": "fc6", "classifier.4": "fc7"}
LAYERS = (*TORCHVISION.values(), "hash", "classifier")
OURS = "ours"
CLASSIFIER = "classifier.weight"
# family -> name of a layer there -> our name
FAMILIES: dict[str, dict[str, str]] = {
    OURS: {layer: layer for layer in LAYERS},
    "greedyhash": {f"alex.{name}": layer for name, layer in TORCHVISION.items()}
    | {"fc_plus": "hash", "fc": "classifier"},
    "deephash": _FEATURES | {"hash_layer.1": "fc6", "hash_layer.4": "fc7", "hash_layer.6": "hash", "fc": "classifier"},
    "paddle_greedyhash": _FEATURES
    | {"classifier_plus.1": "fc6", "classifier_plus.4": "fc7", "classifier_plus.6": "hash", "fc": "classifier"},
}
TITLES = {
    OURS: "our names",
    "greedyhash": "the original GreedyHash's names",
    "deephash": "DeepHash-pytorch's names",
    "paddle_greedyhash": "paddle_greedyhash's names",
}
LIGHTNING_PREFIX = "network."  # torch_impl's Lightning module keeps the network under this name
# what other Lightning modules and DataParallel put in front
_PREFIXES = ("", LIGHTNING_PREFIX, "module.", "model.")
PARAMETERS = tuple(
    f"{layer}.{what}" for layer in LAYERS for what in ("weight", "bias") if f"{layer}.{what}" != "classifier.bias"
)


class Reading(NamedTuple):
    """One way to read a file's names: ``names`` maps ours to the file's, as far as they are there."""

    family: str
    prefix: str
    names: dict[str, str]
    missing: list[str]
    extra: list[str]

    def describe(self) -> str:
        """The family, and what speaks against it."""
        text = TITLES[self.family] + (f" after {self.prefix!r}" if self.prefix else "")
        text += f", missing {self.missing}" if self.missing else ""
        return text + (f", not expected {self.extra[:8]}" if self.extra else "")


def spelled(family: str) -> dict[str, str]:
    """Our parameter names, in the network's order, and what ``family`` calls them."""
    theirs = {layer: name for name, layer in FAMILIES[family].items()}
    return {name: f"{theirs[layer]}.{what}" for name in PARAMETERS for layer, _, what in [name.partition(".")]}


def read_names(names: Collection[str], where: str) -> Reading:
    """The one reading that explains all ``names``; only the classifier may be missing.

    Raises UserError, listing the readings, when none explains them or several would.
    """
    found = [_read(names, family, prefix) for family in FAMILIES for prefix in _PREFIXES]
    complete = [reading for reading in found if not set(reading.missing) - {spelled(reading.family)[CLASSIFIER]}]
    if len(complete) == 1 and not complete[0].extra:
        return complete[0]
    best = max(len(reading.names) for reading in found)
    if not best:
        raise UserError(
            f"{where}: expected GreedyHash's parameters, received {sorted(names)[:8]}; known are {_known()}"
        )
    likely = complete or [reading for reading in found if len(reading.names) == best]
    listed = "; or ".join(reading.describe() for reading in likely)
    raise UserError(f"{where}: expected one GreedyHash model, received names that can be read as {listed}")


def layer_renamed(name: str, table: Mapping[str, str]) -> str:
    """``name`` of a parameter with its layer looked up in ``table``; unchanged if it is not there."""
    layer, _, what = name.rpartition(".")
    return f"{table.get(layer, layer)}.{what}"


def _read(names: Collection[str], family: str, prefix: str) -> Reading:
    theirs = {ours: prefix + name for ours, name in spelled(family).items()}
    present = {ours: name for ours, name in theirs.items() if name in names}
    missing = [name.removeprefix(prefix) for ours, name in theirs.items() if ours not in present]
    return Reading(family, prefix, present, missing, sorted(set(names) - set(present.values())))


def _known() -> str:
    return ", ".join(f"{TITLES[family]} ({next(iter(table))}, ...)" for family, table in FAMILIES.items())
