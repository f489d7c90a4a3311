"""Whether the cards of this machine, their driver and what the frameworks were built for go together."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from compare.diagnosis.findings import FAULT, OK, WARNING, Finding
from compare.frameworks.records import FRAMEWORKS
from compare.installation.cards import ask_cards
from shared.config.recipe import PRESETS
from shared.network.flops import training_memory
from shared.system.errors import UserError

_FIELDS = "name,compute_cap,driver_version,memory.total,memory.free"
_EXAMPLE = "NVIDIA A10, 8.6, 535.54.03, 23028 MiB, 22500 MiB"
_LINE = re.compile(
    r"(.{1,100}), (\d{1,3}\.\d{1,3}), ([\d.]{1,30}), (\d{1,9} MiB|\[.{1,40}\]), (\d{1,9} MiB|\[.{1,40}\])", re.ASCII
)
_MIB = 2**20
WHEELS = "`python compare/wheels.py show` says which wheels fit; `make` installs them"


class Card(NamedTuple):
    """A card as nvidia-smi tells: compute ``capability`` such as "8.6", memory in MiB, None where it does not tell."""

    name: str
    capability: str
    driver: str
    total: int | None
    free: int | None


def cards_here() -> list[Card]:
    """The cards of this machine; UserError where nvidia-smi does not tell."""
    found = ask_cards(_FIELDS, _LINE, _EXAMPLE) or []
    return [Card(*line.group(1, 2, 3), _mebibytes(line[4]), _mebibytes(line[5])) for line in found]


def _mebibytes(text: str) -> int | None:
    return (
        None if text.startswith("[") else int(text.removesuffix(" MiB"))
    )  # [N/A] of memory that is shared with the CPU


def look_at_cards() -> tuple[list[Finding], bool]:
    """What nvidia-smi tells, and whether there is a card, as far as one knows."""
    try:
        cards = cards_here()
    except UserError as error:
        return [Finding(FAULT, "driver", str(error), "see docs/gpu.md")], True
    if not cards:
        return [Finding(OK, "cards", "no NVIDIA card, by nvidia-smi: everything computes on the CPU")], False
    return [_of_card(number, card) for number, card in enumerate(cards)], True


def _of_card(number: int, card: Card) -> Finding:
    unknown = card.free is None or card.total is None
    memory = "free memory not told" if unknown else f"{card.free} of {card.total} MiB free"
    text = f"{card.name}, compute capability {card.capability}, driver {card.driver}, {memory}"
    needed = training_memory(PRESETS["paper"]) // _MIB
    if not unknown and card.free < needed:
        remedy = f"end what else runs there (nvidia-smi lists it): training takes {needed} MiB or more"
        return Finding(WARNING, f"card {number}", text, remedy)
    return Finding(OK, f"card {number}", text)


def look_at_framework(framework: str, info: Mapping, has_card: bool) -> list[Finding]:
    """Whether a framework can use the GPU, has code for it, and computes as its precision says."""
    title = FRAMEWORKS[framework].title
    findings = [_use(title, info, has_card), *_code(title, info)]
    if info["gpu"]:
        findings += [_cudnn(title, info), _precision(title, info)]
    return findings


def _use(title: str, info: Mapping, has_card: bool) -> Finding:
    subject = f"{title}, GPU"
    if info["gpu"]:
        names = ", ".join(card["name"] for card in info["cards"])
        proof = "a convolution, a matrix product and their gradients agree with the CPU's"
        return Finding(OK, subject, f"{names}: {proof}")
    if not has_card and not info["gpu_found"]:
        return Finding(OK, subject, f"none ({info['gpu_problem']})")
    if _is_for_cpu(info):
        remedy = f"--device cpu for all, or install its GPU wheels: {WHEELS}"
        return Finding(WARNING, subject, f"cannot use the card: {info['gpu_problem']}", remedy)
    return Finding(FAULT, subject, f"cannot use the card: {info['gpu_problem']}", f"{WHEELS}; or --device cpu")


def _is_for_cpu(info: Mapping) -> bool:
    return info["code"] == []


def _code(title: str, info: Mapping) -> list[Finding]:
    """Whether the build has machine code for each kind of card; where it does not say, computing is the proof."""
    architectures = info["code"]
    if not architectures:
        return []
    kinds = sorted({card["capability"] for card in info["cards"]})
    return [_code_for(f"{title}, code" + f" {kind}" * (len(kinds) > 1), architectures, kind) for kind in kinds]


def _code_for(subject: str, architectures: Sequence[str], capability: str) -> Finding:
    text = f"{', '.join(architectures)}; the card has compute capability {capability}"
    if runs(architectures, capability):
        return Finding(OK, subject, text)
    return Finding(FAULT, subject, f"no code for the card: {text}", WHEELS)


def runs(architectures: Sequence[str], capability: str) -> bool:
    """Whether a card of this compute capability runs one of them: sm_86 is machine code, compute_90 is compiled there.

    Machine code runs on cards of the same major and an equal or higher minor number.
    """
    card = tuple(map(int, capability.split(".")))
    for kind, number in re.findall(r"(sm|compute)_(\d+)", " ".join(architectures)):
        code = int(number[:-1]), int(number[-1])
        if code <= card and (kind == "compute" or code[0] == card[0]):
            return True
    return False


def _cudnn(title: str, info: Mapping) -> Finding:
    version = info["cudnn"]
    if version:
        return Finding(OK, f"{title}, cuDNN", f"{version}")
    return Finding(FAULT, f"{title}, cuDNN", "expected cuDNN, which convolutions need, found none", WHEELS)


def _precision(title: str, info: Mapping) -> Finding:
    """Whether every switch for TF32 is off in fp32, which ``info`` computes in."""
    environment = info["environment"]
    switches = {n: on for n, on in environment["precision"].items() if "tf32" in n or n.endswith("_switch")}
    override = environment["variables"]["NVIDIA_TF32_OVERRIDE"]
    text = f"NVIDIA_TF32_OVERRIDE={override}, " + ", ".join(f"{name} {on}" for name, on in switches.items())
    if override == "0" and not any(switches.values()):
        return Finding(OK, f"{title}, TF32", f"off in fp32: {text}")
    return Finding(FAULT, f"{title}, TF32", f"on in fp32: {text}", "unset the variables that turn it on")
