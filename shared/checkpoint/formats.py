"""What the supported files hold, each under its own names and in its own layout; the format is found here."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from shared.checkpoint import lightning_files, weights
from shared.checkpoint.moments import unpaired
from shared.checkpoint.paddle_files import optimizer_file, read_paddle
from shared.readers.pickle_values import StandIn
from shared.readers.safetensors_files import read_safetensors
from shared.readers.torch_files import is_torch, read_torch
from shared.readers.trees import Stored, read_stored, tensors_in
from shared.system.errors import UserError

SUFFIXES = {
    ".safetensors": "safetensors",
    ".ckpt": "torch",
    ".pt": "torch",
    ".pth": "torch",
    ".pkl": "torch",
    ".pdparams": "paddle",
    ".pdopt": "paddle",
}
RUN_CHECKPOINT = "checkpoint.safetensors"  # a run folder's, written when the run is finished
_TITLES = {"safetensors": "a safetensors file", "torch": "a PyTorch file", "paddle": "a pickle as Paddle writes it"}
_LARGEST = 2**32  # bytes; ten times the full network with its momentum
_PICKLE_PROTOCOLS = (b"\x02", b"\x03", b"\x04", b"\x05")
_PLAIN_PICKLE = (
    "; pickle.dump wrote it rather than torch.save: if you trust where it comes from, convert it by: "
    "python -c \"import pickle, torch; torch.save(pickle.load(open('{name}', 'rb')), 'weights.pt')\""
)


_SAVES = {
    "torch": "torch.save(model.state_dict(), 'weights.pt')",
    "paddle": "paddle.save(model.state_dict(), 'weights.pdparams')",
}
# how other files begin, and what to do with one
_OTHERS = (
    (b"\x1f\x8b", "it is compressed: unpack it by gunzip first"),
    (b"version https://", "it is a pointer of Git LFS: fetch the file itself by git lfs pull"),
    (b"<", "it is a web page: download the file again"),
)


class Content(NamedTuple):
    """Tensors and momentum under the file's names; ``is_transposed`` if linear weights are (in, out), Paddle's way.

    ``value`` is all that the file holds, of which the entries in ``bookkeeping`` need no mention; ``left_out`` says why
    something that may be wanted is not here, and ``preferred`` under which entry a network is the file's own.
    """

    form: str
    is_transposed: bool
    tensors: Mapping[str, Stored]
    momentum: Mapping[str, Stored]
    metadata: dict
    value: object
    left_out: dict[str, str]
    preferred: str = ""
    bookkeeping: frozenset[str] = frozenset()
    second: Mapping[str, Stored] = MappingProxyType({})


def read_content(path: Path) -> Content:
    """The content of ``path``, which may be a run folder; UserError for a damaged file or one of another format."""
    path = file_of(path)
    return {"safetensors": _read_neutral, "torch": _read_torch, "paddle": _read_paddle}[format_of(path)](path)


def file_of(path: Path) -> Path:
    """``path``, or the checkpoint of the finished run if it is a run's folder; UserError for another folder."""
    if not path.is_dir():
        return path
    if not (path / RUN_CHECKPOINT).exists():
        raise UserError(
            f"{path}: expected a checkpoint or a finished run's folder, received one without {RUN_CHECKPOINT}"
        )
    return path / RUN_CHECKPOINT


def format_of(path: Path) -> str:
    """ "safetensors", "torch" or "paddle"; UserError unless suffix and content agree."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; expected a checkpoint") from error
    if size > _LARGEST:
        raise UserError(f"{path}: expected a checkpoint of at most {_LARGEST} bytes, received {size}")
    suffix = SUFFIXES.get(path.suffix.lower())
    content = _format_by_content(head, suffix)
    if content is None:
        expected = f"{_TITLES[suffix]}, as the suffix {path.suffix} says" if suffix else f"one of {', '.join(SUFFIXES)}"
        end = _remedy(head, suffix)
        raise UserError(f"{path}: expected {expected}, received {size} bytes that begin with {head[:16]!r}{end}")
    if suffix not in (None, content):
        plain = _PLAIN_PICKLE.format(name=path.name) if (suffix, content) == ("torch", "paddle") else ""
        raise UserError(
            f"{path}: it can be read as {_TITLES[suffix]} by its suffix or as {_TITLES[content]} by its content; "
            f"give it the suffix of what it is{plain}"
        )
    return content


def _remedy(head: bytes, suffix: str | None) -> str:
    if not head:
        return "; it is empty: copy or download the file again"
    remedies = [remedy for begin, remedy in _OTHERS if head.startswith(begin)]
    if remedies or suffix not in _SAVES:
        return f"; {remedies[0]}" if remedies else ""
    return f"; save the weights again: {_SAVES[suffix]}"


def _format_by_content(head: bytes, suffix: str | None) -> str | None:
    if is_torch(head):
        return "torch"
    # its header's length comes first and may look like a pickle's beginning
    if head[8:9] == b"{" and head[4:8] == bytes(4):
        return "safetensors"
    if head[:1] == b"\x80" and head[1:2] in _PICKLE_PROTOCOLS:
        return "paddle"
    # protocols 0 and 1 begin with the dict itself
    return "paddle" if suffix == "paddle" and head[:1] in (b"(", b"}") else None


def _read_neutral(path: Path) -> Content:
    tensors, metadata = read_safetensors(path)
    parameters, momentum = weights.separate_momentum(tensors)
    momentum, second = unpaired(momentum)
    return Content("safetensors", False, parameters, momentum, metadata, {}, {}, second=second)


def _read_paddle(path: Path) -> Content:
    state = read_paddle(path)
    form = "PaddlePaddle .pdparams" + (" + .pdopt" if state.momentum or state.metadata else "")
    digest = state.metadata.pop("weights_sha256", None)
    if digest is not None and digest != _digest(state.parameters, str(path)):
        raise UserError(f"{optimizer_file(path)}: belongs to other parameters than those in the .pdparams beside it")
    return Content(form, True, *state)


def _digest(tensors: Mapping[str, Stored], where: str) -> str:
    arrays = {name: read_stored(tensor, where) for name, tensor in tensors.items()}
    # only this project writes a digest, and its files hold float32 alone
    return weights.digest(arrays) if all(array.dtype == np.float32 for array in arrays.values()) else ""


def _read_torch(path: Path) -> Content:
    value = read_torch(path)
    tensors = tensors_in(value, str(path))
    if not lightning_files.is_lightning(value):
        form = "PyTorch object" if isinstance(value, StandIn) else "PyTorch state dict"
        return Content(form, False, tensors, {}, {}, value, {})
    names = list(tensors_in(value[lightning_files.STATE], str(path)))
    training = lightning_files.read_training(value, names)
    return Content(
        "PyTorch Lightning .ckpt",
        False,
        tensors,
        training.momentum,
        training.metadata,
        value,
        training.left_out,
        preferred=lightning_files.STATE,
        bookkeeping=lightning_files.BOOKKEEPING,
        second=training.second,
    )
