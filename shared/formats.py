"""What the supported files hold, each under its own names and in its own layout; the format is found here."""

import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared import weights
from shared.errors import UserError
from shared.paddle_files import optimizer_file, read_paddle
from shared.torch_files import LEGACY_MAGIC, ZIP_MAGIC, StoredTensor, read_torch, tensor_dicts

Arrays = dict[str, np.ndarray]

SUFFIXES = {
    ".safetensors": "safetensors",
    ".ckpt": "torch",
    ".pt": "torch",
    ".pth": "torch",
    ".pkl": "torch",
    ".pdparams": "paddle",
    ".pdopt": "paddle",
}
_TITLES = {"safetensors": "a safetensors file", "torch": "a PyTorch file", "paddle": "a pickle as Paddle writes it"}
_LARGEST = 2**32  # bytes; ten times the full network with its momentum


class Content(NamedTuple):
    """Arrays and their momentum under the file's names; ``turned`` if linear weights are (in, out), Paddle's way."""

    form: str
    turned: bool
    arrays: Arrays
    momentum: Arrays | None
    facts: dict


def read_content(path: Path) -> Content:
    """The content of ``path``; UserError for a damaged file or one of another format."""
    return {"safetensors": _read_neutral, "torch": _read_torch, "paddle": _read_paddle}[format_of(path)](path)


def format_of(path: Path) -> str:
    """ "safetensors", "torch" or "paddle"; UserError unless suffix and content agree."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; expected a checkpoint") from error
    if size > _LARGEST:
        raise UserError(f"{path}: expected a checkpoint of at most {_LARGEST} bytes, received {size}")
    content, suffix = _format_by_content(head), SUFFIXES.get(path.suffix.lower())
    if content is None:
        known = f"{_TITLES[suffix]}, as the suffix {path.suffix} says" if suffix else f"one of {', '.join(SUFFIXES)}"
        raise UserError(f"{path}: expected {known}, received {size} bytes that begin with {head!r}")
    if suffix not in (None, content):
        raise UserError(
            f"{path}: it can be read as {_TITLES[suffix]} by its suffix or as {_TITLES[content]} by its content; "
            "give it the suffix of what it is"
        )
    return content


def _format_by_content(head: bytes) -> str | None:
    if head.startswith((ZIP_MAGIC, LEGACY_MAGIC)):
        return "torch"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04"):
        return "paddle"
    return "safetensors" if head[8:9] == b"{" else None


def _read_neutral(path: Path) -> Content:
    _check_header(path)
    arrays, metadata = weights.load(path)
    return Content("safetensors", False, arrays, weights.load_momentum(path) or None, metadata)


def _check_header(path: Path) -> None:
    # the library takes the last of two entries with one name; sizes it checks itself
    def refuse_twice(pairs: list[tuple[str, object]]) -> dict:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("two entries have one name")
        return dict(pairs)

    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > file.seek(0, io.SEEK_END) - 8:
                raise ValueError("it ends within its header")
            file.seek(8)
            json.loads(file.read(length), object_pairs_hook=refuse_twice)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected a safetensors file, received one that fails: {error}") from error


def _read_paddle(path: Path) -> Content:
    state = read_paddle(path)
    digest = state.facts.pop("weights_sha256", None)
    if digest is not None and digest != weights.digest(state.parameters):
        raise UserError(f"{optimizer_file(path)}: belongs to other parameters than those in the .pdparams beside it")
    form = "PaddlePaddle .pdparams" + (" + .pdopt" if state.velocities or state.facts else "")
    return Content(form, True, state.parameters, state.velocities, state.facts)


def _read_torch(path: Path) -> Content:
    where, value = str(path), read_torch(path)
    states = dict(tensor_dicts(value))
    if len(states) != 1:
        listed = "; or ".join(f"{key!r} ({len(state)} tensors)" for key, state in states.items()) or "none"
        raise UserError(f"{where}: expected one state dict, received {listed}")
    [(key, state)] = states.items()
    arrays = {name: tensor.array(f"{where}: {name}") for name, tensor in state.items()}
    if key != "state_dict" or "optimizer_states" not in value:
        return Content("PyTorch state dict", False, arrays, None, {})
    facts = value.get("greedyhash", {})
    if not isinstance(facts, dict):
        raise UserError(f"{where}: greedyhash: expected a dict, received {type(facts).__name__}")
    try:
        group, buffers = _optimizer(value["optimizer_states"])
        epoch = value["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        momentum = {name: buffers[n].array(f"{where}: {name}") for n, name in enumerate(state)} if buffers else None
        own = {"epoch": epoch, "rate": group.get("lr")} if epoch else {}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(
            f"{where}: expected a Lightning checkpoint of one SGD optimiser, received one that lacks {error}"
        ) from error
    return Content("PyTorch Lightning .ckpt", False, arrays, momentum, {**facts, **own})


def _optimizer(states: list[dict]) -> tuple[dict, dict[int, StoredTensor]]:
    """The parameter group and the momentum buffers by position, {} before the first step."""
    [optimizer] = states
    [group] = optimizer["param_groups"]
    buffers = {n: state["momentum_buffer"] for n, state in optimizer["state"].items()}
    # SGD without momentum keeps None
    return group, {} if not any(buffer is not None for buffer in buffers.values()) else buffers
