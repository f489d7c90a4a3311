"""A folder of wheels for a machine without a network: filled on one that has it, for the same Python and processor."""

import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compare.installation.cards import machine
from compare.installation.choice import PYTHON, wheels_for
from compare.installation.plan import (
    CONSTRAINTS,
    KINDS,
    WHEELS,
    Named,
    Plan,
    check_named,
    constraints,
    frameworks_of,
    plan_of,
    row_named,
    write_plan,
)
from compare.installation.table import BOUNDS, TABLE, TITLES, dotted
from shared.system.errors import UserError
from shared.system.files import PROJECT_ROOT, make_folder, read_json, write_json, write_text
from shared.system.schema import LINE, Each, Record, one_of

_RECORD = "made_for.json"
_SCHEMA = Record(
    {
        "kind": one_of(*KINDS),
        "python": LINE,
        "processor": LINE,
        "wheels": Each(LINE.or_none(), key=one_of(*TABLE)),
    }
)
# to install the project in editable mode: what pyproject.toml builds with, and make's `pip install --upgrade pip`
TOOLS = ("pip", "setuptools>=70")
_EXTRAS = {None: ".[cpu,dev]", "torch": ".[torch,dev]", "paddle": ".[paddle-gpu]"}


def fill(folder: Path, kind: str, chosen: Sequence[Plan]) -> None:
    """Download everything that an installation of ``kind`` needs, by the pip of this interpreter, for this Python.

    What an interrupted call left is kept. UserError for a folder of something else, and when pip fails.
    """
    folder = make_folder(folder).absolute()
    made_for = _made_for(kind, chosen)
    _check_purpose(folder, made_for)
    print(f"wheels for Python {made_for['python']} on Linux, {made_for['processor']}, EXTRA={kind}, into {folder}:")
    for plan in chosen:
        print(f"{TITLES[plan.framework]} {plan.words}")
    _download(folder, *TOOLS)
    for plan in chosen or [None]:
        _download_environment(folder, plan)
    write_json(folder / _RECORD, made_for)
    print(f"carry {folder} to that machine and install there: make EXTRA={kind} WHEELS={folder.name}")


def _download_environment(folder: Path, plan: Plan | None) -> None:
    """What goes into one environment: the project's dependencies and, with a plan, a framework's GPU wheels first."""
    with tempfile.TemporaryDirectory() as scratch:
        limits = PROJECT_ROOT / CONSTRAINTS
        if plan:
            write_plan(plan, Path(scratch))
            _download(folder, "--requirement", f"{scratch}/{WHEELS}")
            # nothing is installed, so that pip would take a newer one from the registry for the project
            limits = Path(scratch) / CONSTRAINTS
            write_text(limits, constraints(plan) + "".join(f"{pin}\n" for pin in _pins(folder, plan)))
        extras = _EXTRAS[plan.framework if plan else None]
        _download(folder, "--find-links", str(folder), "--constraint", str(limits), extras)


def _pins(folder: Path, plan: Plan) -> list[str]:
    """The exact versions of a framework's wheels that lie in the folder; UserError when there are two of one."""
    pins = []
    for requirement in BOUNDS[plan.framework]:
        name = requirement.partition(">=")[0]
        versions = {file.name.split("-")[1] for file in folder.glob(f"{name.replace('-', '_')}-*.whl")}
        if len(versions) != 1:
            raise UserError(f"{folder}: expected one version of {name}, received {sorted(versions)}; take a new folder")
        pins.append(f"{name}=={versions.pop()}")
    return pins


def _download(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--only-binary", ":all:", "--dest", str(folder), *words]
    print(f"pip {' '.join(command[3:])}", flush=True)
    if status := subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode:
        raise UserError(f"pip download ended with exit status {status}; mend what it says above, and call again")


def _made_for(kind: str, chosen: Sequence[Plan]) -> dict:
    rows = {plan.framework: plan.row for plan in chosen}
    return {"kind": kind, "python": dotted(PYTHON), "processor": platform.machine(), "wheels": rows}


def _check_purpose(folder: Path, made_for: dict) -> None:
    """UserError unless what lies in the folder was put there for the same purpose, or is what pip downloads."""
    others = sorted(file.name for file in folder.iterdir() if file.suffix != ".whl" and file.name != _RECORD)
    if others:
        raise UserError(f"{folder}: expected a folder of wheels alone, received {others[0]!r} in it; take a new one")
    if (folder / _RECORD).exists() and read_json(folder / _RECORD, _SCHEMA) != made_for:
        raise UserError(f"{folder}: expected wheels for {made_for}, received a folder of others; take a new one")


def plans_of_folder(folder: Path, kind: str, named: Named) -> list[Plan]:
    """Those that the folder was filled for; UserError when this is not the machine that it was filled for."""
    check_named(kind, named)
    if not (folder / _RECORD).is_file():
        raise UserError(f"WHEELS: expected a folder that make wheels filled to its end, received {folder}")
    made_for = read_json(folder / _RECORD, _SCHEMA)
    here = {"kind": kind, "python": dotted(PYTHON), "processor": platform.machine()}
    variables = {"kind": "EXTRA", "python": "Python", "processor": "processor"}
    for name, value in here.items():
        if made_for[name] != value:
            raise UserError(
                f"{folder}: its wheels are for {variables[name]} {made_for[name]}, received {value}; fill a folder for "
                "this machine (make wheels PYTHON=... EXTRA=...), or name what it is for (PYTHON, EXTRA)"
            )
    return [_plan_of_folder(folder, framework, made_for["wheels"], named) for framework in frameworks_of(kind)]


def _plan_of_folder(folder: Path, framework: str, rows: dict[str, str | None], named: Named) -> Plan:
    if framework not in rows:
        raise UserError(f"{folder / _RECORD}: expected wheels of {TITLES[framework]}, received none; fill a new folder")
    if rows[framework] is None:
        return Plan(framework, BOUNDS[framework], "", None, f"from {folder}")
    row = row_named(framework, rows[framework])
    if row is None:
        raise UserError(
            f"{folder / _RECORD}: expected a row of this version's table, received another's; fill a new folder"
        )
    here = machine(named.card, named.driver)
    try:
        wheels_for(framework, here, offered=(row,), reached=lambda _: True)
    except UserError as error:
        raise UserError(f"{folder}: its wheels do not fit this machine; fill one for {here}. {error}") from error
    return plan_of(framework, row, f"for {here}, from {folder}")
