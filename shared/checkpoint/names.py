"""What implementations call GreedyHash's parameters: one table per family of names, and which family a file follows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from shared.system.errors import UserError, printable

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
OURS, DEEPHASH = "ours", "deephash"
CLASSIFIER = "classifier.weight"
# family -> name of a layer there -> our name
FAMILIES: dict[str, dict[str, str]] = {
    OURS: {layer: layer for layer in LAYERS},
    "greedyhash": {f"alex.{name}": layer for name, layer in TORCHVISION.items()}
    | {"fc_plus": "hash", "fc": "classifier"},
    DEEPHASH: _FEATURES | {"hash_layer.1": "fc6", "hash_layer.4": "fc7", "hash_layer.6": "hash", "fc": "classifier"},
    "paddle_greedyhash": _FEATURES
    | {"classifier_plus.1": "fc6", "classifier_plus.4": "fc7", "classifier_plus.6": "hash", "fc": "classifier"},
}
TITLES = {
    OURS: "our names",
    "greedyhash": "the original GreedyHash's names",
    DEEPHASH: "DeepHash-pytorch's names",
    "paddle_greedyhash": "paddle_greedyhash's names",
}
LIGHTNING_PREFIX = "network."  # torch_impl's Lightning module keeps the network under this name
_MOST_PARTS, _MOST_LISTED = 4, 8  # parts of a parameter's name, readings or names in a message
PARAMETERS = tuple(
    f"{layer}.{kind}" for layer in LAYERS for kind in ("weight", "bias") if f"{layer}.{kind}" != "classifier.bias"
)


class Reading(NamedTuple):
    """One way to read a file's names: ``names`` maps ours to the file's, as far as they are there.

    ``prefix`` stands before all of them, whatever wrapped the network; what begins otherwise is not the network's.
    """

    family: str
    prefix: str
    names: dict[str, str]
    missing: list[str]
    extra: list[str]

    @property
    def is_model(self) -> bool:
        """Whether nothing but the classifier is missing."""
        return not set(self.missing) - {parameter_names(self.family)[CLASSIFIER]}

    def describe(self) -> str:
        """The family, and what speaks against it."""
        text = TITLES[self.family] + (f" after '{printable(self.prefix, 60)}'" if self.prefix else "")
        text += f", missing {self.missing}" if self.missing else ""
        apart = self.names.get(CLASSIFIER, self.prefix)
        text += "" if apart.startswith(self.prefix) else f" with the classifier '{printable(apart, 60)}'"
        return text + (f", not expected {_some(self.extra)}" if self.extra else "")


def parameter_names(family: str) -> dict[str, str]:
    """Our parameter names, in the network's order, and what ``family`` calls them."""
    theirs = {layer: name for name, layer in FAMILIES[family].items()}
    return {name: f"{theirs[layer]}.{kind}" for name in PARAMETERS for layer, _, kind in [name.partition(".")]}


def read_names(names: Collection[str], where: str, key: str = "", preferred: str = "") -> Reading:
    """The one reading of ``names`` as a GreedyHash network's; only the classifier may be missing.

    Of several networks the one under ``key`` is taken, a dotted prefix, or else one under ``preferred``. Raises
    UserError, listing the readings, when there is none or several remain.
    """
    readings = _readings(names, f"{key}." if key else "")
    if not readings:
        received = _some(sorted(names)) if names else "no tensor"
        under = f" under {printable(key, 60)}" if key else ""
        there = _existing([reading for reading in _readings(names, "") if reading.is_model]) if key else ""
        raise UserError(
            f"{where}: expected GreedyHash's parameters{under}, received {received}; known are {_known()}{there}"
        )
    models = [reading for reading in readings if reading.is_model]
    models = [reading for reading in models if preferred and reading.prefix.startswith(f"{preferred}.")] or models
    best = max(len(reading.names) for reading in readings)
    likely = models or [reading for reading in readings if len(reading.names) == best]
    likely = [_with_extra(reading, names) for reading in likely[:_MOST_LISTED]]
    if len(models) == 1 and not likely[0].extra:
        return _with_classifier(likely[0], names)
    listed = "; or ".join(reading.describe() for reading in likely)
    raise UserError(
        f"{where}: expected one GreedyHash model, received names that can be read as {listed}{_choice(models)}"
    )


def _readings(names: Collection[str], begin: str) -> list[Reading]:
    """All families and prefixes, of those that ``begin`` so, by which at least one of ``names`` is a parameter's."""
    tables = {family: parameter_names(family) for family in FAMILIES}
    known = {theirs for table in tables.values() for theirs in table.values()}
    prefixes = {name[: len(name) - len(end)] for name in names for end in _ends(name) if end in known}
    prefixes = sorted(prefix for prefix in prefixes if prefix.startswith(begin))
    readings = [_read(names, family, table, prefix) for family, table in tables.items() for prefix in prefixes]
    return [reading for reading in readings if reading.names]


def _ends(name: str) -> Iterator[str]:
    """``name`` without its first parts, as long as a parameter's name may be."""
    parts = name.split(".")
    return (".".join(parts[start:]) for start in range(max(0, len(parts) - _MOST_PARTS), len(parts)))


def _read(names: Collection[str], family: str, table: Mapping[str, str], prefix: str) -> Reading:
    present = {ours: prefix + name for ours, name in table.items() if prefix + name in names}
    return Reading(family, prefix, present, [name for ours, name in table.items() if ours not in present], [])


def _with_extra(reading: Reading, names: Collection[str]) -> Reading:
    within = {name for name in names if name.startswith(reading.prefix)}
    return reading._replace(extra=sorted(within - set(reading.names.values())))


def _with_classifier(reading: Reading, names: Collection[str]) -> Reading:
    """``reading`` with the classifier from beside the network: DeepHash-pytorch keeps it alone in another module."""
    theirs, around = parameter_names(reading.family)[CLASSIFIER], reading.prefix
    while reading.missing and around:
        around = around.rstrip(".").rpartition(".")[0]
        around += "." if around else ""
        beside = {name for name in names if name.startswith(around) and not name.startswith(reading.prefix)}
        candidates = [name for name in beside if name == around + theirs or name.endswith(f".{theirs}")]
        if len(candidates) == 1 and not _has_parameters(candidates[0].removesuffix(theirs), beside - set(candidates)):
            return reading._replace(names={**reading.names, CLASSIFIER: candidates[0]}, missing=[])
        if candidates:
            break
    return reading


def _has_parameters(module: str, names: Collection[str]) -> bool:
    # then the classifier is another model's
    return bool(module) and any(name.startswith(module) for name in names)


def _choice(models: Sequence[Reading]) -> str:
    keys = _keys(models)
    return "" if len(keys) < 2 or "" in keys else f"; choose one by {_as_options(keys)}"


def _existing(models: Sequence[Reading]) -> str:
    """Which --key there is in place of one that is not."""
    keys = _keys(models)
    if "" in keys:
        return "; leave out --key"
    return f"; there is {_as_options(keys)}" if keys else ""


def _keys(models: Sequence[Reading]) -> list[str]:
    return sorted({reading.prefix.rstrip(".") for reading in models[:_MOST_LISTED]})


def _as_options(keys: Sequence[str]) -> str:
    return " or ".join(f"--key {printable(key, 60)}" for key in keys)


def _some(names: Sequence[str]) -> list[str]:
    return [printable(name, 60) for name in names[:_MOST_LISTED]]


def layer_renamed(name: str, table: Mapping[str, str]) -> str:
    """``name`` of a parameter with its layer looked up in ``table``; unchanged if it is not there."""
    layer, _, kind = name.rpartition(".")
    return f"{table.get(layer, layer)}.{kind}"


def _known() -> str:
    return ", ".join(f"{TITLES[family]} ({next(iter(table))}, ...)" for family, table in FAMILIES.items())
