"""Choosing the wheels of a framework for a machine; where none fit, one sentence says why and what to do."""

import functools
import platform
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from urllib.parse import urlsplit

from compare.installation.cards import Machine
from compare.installation.table import PROCESSOR, TABLE, TITLES, Version, Wheels, dotted
from shared.system.errors import UserError, printable

_SECONDS_TO_ANSWER = 10.0
PYTHON: Version = sys.version_info[:2]
_OTHERWISE = {
    "torch": "or take the CPU (make EXTRA=cpu)",
    "paddle": "or take PyTorch alone (make EXTRA=torch) or the CPU (make EXTRA=cpu)",
}


@functools.cache
def is_reached(host: str) -> bool:
    """Whether a server of this name answers, by way of the proxies that the environment names."""
    try:
        with urllib.request.urlopen(f"https://{host}/", timeout=_SECONDS_TO_ANSWER):
            return True
    except urllib.error.HTTPError:  # it has no such page, but it answers
        return True
    except (OSError, HTTPException, ValueError):
        return False


def check_processor(received: str | None = None) -> None:
    """UserError for a machine's processor (None: this one's) that there are no GPU wheels for."""
    received = received or platform.machine()
    if received != PROCESSOR:
        raise UserError(
            f"processor: expected {PROCESSOR}, for which the frameworks' GPU wheels are, received "
            f"{printable(received, 50)}; take the CPU (make EXTRA=cpu)"
        )


def wheels_for(
    framework: str,
    machine: Machine,
    python: Version = PYTHON,
    reached: Callable[[str], bool] = is_reached,
    offered: Sequence[Wheels] | None = None,
) -> Wheels:
    """The first row of the table that fits all cards, the driver and this Python, on a host that is ``reached``.

    ``offered`` are the rows to choose from, None: all of the framework. UserError when none fits.
    """

    def left(rows: Sequence[Wheels], fits: Callable[[Wheels], bool], problem: Callable[..., str]) -> list[Wheels]:
        fitting = [row for row in rows if fits(row)]
        if not fitting:
            raise UserError(f"{TITLES[framework]}: {problem(rows, machine)}, {_OTHERWISE[framework]}")
        return fitting

    rows = TABLE[framework] if offered is None else offered
    rows = left(rows, lambda row: all(map(row.runs_on, machine.capabilities)), _unfit_cards)
    rows = left(rows, lambda row: row.driver <= machine.driver, _old_driver)
    rows = left(rows, lambda row: row.index is None or reached(_host(row)), functools.partial(_far_index, framework))
    rows = left(rows, lambda row: row.pythons[0] <= python <= row.pythons[1], functools.partial(_other_python, python))
    return rows[0]


def _host(row: Wheels) -> str:
    return urlsplit(row.index).hostname


def _unfit_cards(rows: Sequence[Wheels], machine: Machine) -> str:
    """Which cards no wheel has code for, or that none has it for all of them, and the remedy."""
    unknown = [card for card in machine.capabilities if not any(row.runs_on(card) for row in rows)]
    others = [card for card in machine.capabilities if card not in unknown]
    if unknown:
        problem = f"no wheel has code for compute capability {' and '.join(map(dotted, unknown))}"
    else:
        problem = f"no single wheel has code for {machine.cards}"
    if not others:
        return f"{problem}; take another card"
    return f"{problem}; install for one kind (make CARD={dotted(others[-1])}) and hide the rest (CUDA_VISIBLE_DEVICES)"


def _old_driver(rows: Sequence[Wheels], machine: Machine) -> str:
    oldest = min(row.driver for row in rows)
    return (
        f"expected driver {dotted(oldest)} or newer, which its wheels for {machine.cards} need, "
        f"received {dotted(machine.driver)}; update the driver"
    )


def _far_index(framework: str, rows: Sequence[Wheels], machine: Machine) -> str:
    return (
        f"its wheels for {machine} lie on {_host(rows[0])} alone, which this machine does not reach; name a copy "
        f"(make {framework.upper()}_INDEX=ADDRESS), bring them in a folder (make wheels, see docs/gpu.md)"
    )


def _other_python(python: Version, rows: Sequence[Wheels], machine: Machine) -> str:
    oldest, newest = min(row.pythons[0] for row in rows), max(row.pythons[1] for row in rows)
    return (
        f"expected Python {dotted(oldest)} to {dotted(newest)} for those of its wheels that are reached from here "
        f"({machine}), received {dotted(python)}; name one (make PYTHON=python{dotted(newest)})"
    )
