"""What pip installs into an environment before the project itself: one framework's GPU wheels, and from where."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from compare.installation.cards import machine
from compare.installation.choice import PYTHON, check_processor, is_reached, wheels_for
from compare.installation.table import BOUNDS, TABLE, TITLES, Wheels, dotted
from shared.system.errors import UserError, printable
from shared.system.files import PROJECT_ROOT, write_text

WHEELS, CONSTRAINTS = "wheels.txt", "constraints.txt"
# the values of make's EXTRA, and the frameworks whose GPU wheels are chosen for each
_FRAMEWORKS = {"cpu": (), "torch": ("torch",), "gpu": ("torch", "paddle")}
KINDS = tuple(_FRAMEWORKS)
# what constraints.txt says of these is about the registry's wheels
_OF_THE_REGISTRY = ("torch==", "torchvision==", "triton==")


class Named(NamedTuple):
    """What the user names: cards, driver, and the address of each framework's package index."""

    card: str | None = None
    driver: str | None = None
    indexes: Mapping[str, str | None] = MappingProxyType({})


class Plan(NamedTuple):
    """GPU wheels of ``framework``: the row of the table, None at an ``index`` that the user named."""

    framework: str
    requirements: tuple[str, ...]
    index: str | None
    row: str | None
    words: str


def frameworks_of(kind: str) -> tuple[str, ...]:
    """The frameworks whose GPU wheels are chosen for a kind of installation: none, PyTorch's, or both."""
    return _FRAMEWORKS[kind]


def check_named(kind: str, named: Named) -> None:
    """UserError for a card, a driver or an index that says nothing of what this kind installs."""
    frameworks = frameworks_of(kind)
    useless = {f"{name.upper()}_INDEX" for name, address in named.indexes.items() if address and name not in frameworks}
    if not frameworks:
        useless |= {name for name, value in (("CARD", named.card), ("DRIVER", named.driver)) if value}
    if useless:
        raise UserError(
            f"{' and '.join(sorted(useless))}: expected none beside EXTRA={kind}, which installs nothing by it; leave "
            "it out, or take another EXTRA"
        )


def plans(kind: str, named: Named, reached: Callable[[str], bool] = is_reached) -> list[Plan]:
    """One for each framework of the kind; UserError, before anything is downloaded, when one cannot be had."""
    check_named(kind, named)
    chosen, here = [], None
    if kind != "cpu":
        check_processor()
    for framework in frameworks_of(kind):
        if address := named.indexes.get(framework):
            chosen.append(plan_at(framework, address))
        else:
            here = here or machine(named.card, named.driver)
            chosen.append(plan_of(framework, wheels_for(framework, here, reached=reached), f"for {here}"))
    return chosen


def plan_of(framework: str, wheels: Wheels, words: str) -> Plan:
    """That of a row of the table."""
    return Plan(framework, wheels.requirements, wheels.index, wheels.name, f"{wheels.name}, {words}")


def plan_at(framework: str, address: str) -> Plan:
    """That of an index which the user names, and answers for; UserError for what is no address."""
    if not address.startswith(("https://", "http://", "file://")) or not address.isprintable() or " " in address:
        variable = f"{framework.upper()}_INDEX"
        raise UserError(f"{variable}: expected an address (https://...), received {printable(address, 100)!r}")
    return Plan(framework, BOUNDS[framework], address, None, "from the index that was named")


def row_named(framework: str, name: str) -> Wheels | None:
    """The row of the table with this name."""
    return next((row for row in TABLE[framework] if row.name == name), None)


def check_python(environment: Path) -> None:
    """UserError where the environment is there and has another Python than this one."""
    facts = environment / "pyvenv.cfg"
    text = facts.read_text(encoding="utf-8", errors="replace") if facts.is_file() else ""
    if (there := re.search(r"^version *= *(\d+\.\d+)", text, re.MULTILINE)) and there[1] != dotted(PYTHON):
        raise UserError(
            f"PYTHON: expected Python {there[1]}, with which {environment} was made, received {dotted(PYTHON)}; remove "
            f"{environment} (rm -r {environment}), or leave PYTHON out"
        )


def write_plan(plan: Plan, environment: Path, offline: bool = False) -> None:
    """Write pip's requirements for ``plan`` into the folder of an environment, and the project's constraints that hold.

    ``offline``: without the address of an index.
    """
    # the same for the same wheels, whatever the driver: make compares it with what is installed
    lines = [f"# written by make: {TITLES[plan.framework]} {plan.row or 'from the index that was named'}"]
    if plan.index is None:
        lines += [f"--constraint {CONSTRAINTS}"]
    elif not offline:
        lines += [f"--index-url {plan.index}"]
    write_text(environment / CONSTRAINTS, constraints(plan))
    write_text(environment / WHEELS, "\n".join([*lines, *plan.requirements, ""]))


def constraints(plan: Plan) -> str:
    """The project's constraints.txt without what it says of wheels other than those of ``plan``.

    Paddle's environment has none: its NumPy is not the one that they name.
    """
    if plan.framework == "paddle":
        return ""
    lines = (PROJECT_ROOT / CONSTRAINTS).read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if plan.index is None or not line.startswith(_OF_THE_REGISTRY))
