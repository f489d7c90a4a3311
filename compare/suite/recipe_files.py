"""Files of settings that a user gives: a run's recipe.json, or TOML; either may hold a few settings only."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from shared.config.limits import check_field
from shared.config.recipe import PRESETS, Recipe
from shared.system.errors import UserError, printable
from shared.system.files import read_bytes, read_json
from shared.system.options import meant


def read_settings(path: Path) -> dict[str, object]:
    """The settings by name in ``path``, TOML by its suffix and else JSON, each of its type and within its range.

    Raises UserError, beginning with the path, for another file, an unknown name, or a value that does not fit.
    """
    values = _read_toml(path) if path.suffix.lower() == ".toml" else read_json(path)
    kinds = {field.name: field.type for field in dataclasses.fields(Recipe)}
    for name in values:
        if name not in kinds:
            raise UserError(f"{path}: no such setting: {printable(name, 50)}{meant(name, kinds)}")
    try:
        settings = {name: _checked(name, kinds[name], value) for name, value in values.items()}
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if (preset := settings.get("preset")) not in (None, *PRESETS):
        raise UserError(f"{path}: preset: expected {' or '.join(PRESETS)}, received {printable(preset, 50)!r}")
    return settings


def _checked(name: str, kind: object, value: object) -> object:
    if get_args(kind) and isinstance(value, list):
        value = tuple(value)
    if kind is float and type(value) is int:  # 1 and 1.0 are one setting, with one digest
        value = float(value) if value.bit_length() <= 64 else math.inf
    check_field(name, kind, value)
    return value


def _read_toml(path: Path) -> Mapping[str, object]:
    try:
        import tomllib
    except ImportError as error:
        raise UserError(f"{path}: TOML is read by Python 3.11 and later; give the settings as JSON") from error
    try:
        return tomllib.loads(read_bytes(path, "settings in TOML").decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected settings in TOML, received: {printable(error, 200)}") from error
