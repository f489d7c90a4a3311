"""Damaged and hostile checkpoints: one clear error, no code run, no crash, nothing half-written."""

import itertools
import os
import pickletools
import struct
import zipfile

import numpy as np
import pytest

from shared.checkpoint.checkpoint import KINDS, Checkpoint, read_checkpoint
from shared.system.errors import UserError
from tests import helpers
from tests.checkpoints import wrapped

CALLS = [
    b"cposix\nsystem\n(S'touch {canary}'\ntR.",
    b"\x80\x02cos\nsystem\nX{size}{command}\x85R.",
    b"\x80\x04\x8c\x05posix\x8c\x06system\x93X{size}{command}\x85R.",
    b"\x80\x02cbuiltins\neval\nX{size}{python}\x85R.",
    b"\x80\x02cbuiltins\ngetattr\ncnumpy\nndarray\nX\x06\x00\x00\x00tofile\x86R.",
    b"\x80\x02cnumpy\nfromfile\nX\x01\x00\x00\x00a\x85R.",
    b"\x80\x02ctorch\nload\nX\x01\x00\x00\x00a\x85R.",
    b"\x80\x02ctorch.serialization\nload\nX\x01\x00\x00\x00a\x85R.",
    b"\x80\x02(cposix\nsystem\nX{size}{command}o.",
    b"(S'touch {canary}'\niposix\nsystem\n.",
    b"\x80\x02cposix\nsystem\nX{size}{command}\x85\x81.",
    b"\x80\x02}X\x01\x00\x00\x00acnumpy\nndarray\n}X\x08\x00\x00\x00__call__K\x01sbs.",
    b"\x80\x02}X\x01\x00\x00\x00acnumpy\nndarray\n)R}s.",
    b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x85R.",
    b"\x80\x02\x82\x01.",
]


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "code from a checkpoint was run"


def check(path, original):
    """Reading fails in one line, or gives a whole, finite model: damage to a value is not always to be seen."""
    try:
        loaded = read_checkpoint(path)
    except UserError:
        return True
    assert isinstance(loaded, Checkpoint)
    assert {n: a.shape for n, a in loaded.weights.items()} == {n: original.weights[n].shape for n in KINDS}
    assert all(np.isfinite(array).all() for array in [*loaded.weights.values(), *(loaded.momentum or {}).values()])
    return False


def filled(program, canary):
    command, python = f"touch {canary}".encode(), f"open({str(canary)!r}, 'w')".encode()
    for key, text in ((b"{command}", command), (b"{python}", python)):
        if key in program:
            program = program.replace(b"{size}", struct.pack("<I", len(text))).replace(key, text)
    return program.replace(b"{canary}", str(canary).encode())


@pytest.mark.parametrize("suffix", [".pt", ".pdparams"])
@pytest.mark.parametrize("program", CALLS, ids=range(len(CALLS)))
def test_pickles_that_call_functions(program, suffix, files, canary, tmp_path):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(wrapped(filled(program, canary), suffix, files))
    with pytest.raises(UserError):
        read_checkpoint(path)


def test_tensors_beyond_their_storage(files, original, tmp_path):
    """Every whole number in the description, be it size, offset, shape or stride, made too large in turn."""
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(files["torch"]) as source:
        [name] = [name for name in source.namelist() if name.endswith("data.pkl")]
        text = source.read(name)
    steps = list(pickletools.genops(text))
    places = [(p, end) for (step, _, p), (_, _, end) in itertools.pairwise(steps) if step.name.startswith("BININT")]
    assert len(places) > 100
    accepted = 0
    for number in (b"J\xff\xff\xff\x7f", b"J\xff\xff\xff\xff", b"\x8a\x0b" + b"\xff" * 10 + b"\x00"):
        for start, end in places:
            path.write_bytes(wrapped(text[:start] + number + text[end:], ".pt", files))
            accepted += not check(path, original)
    assert accepted < 30  # the stride of a side of 1 means nothing


def test_zip_tricks(files, tmp_path):
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(files["torch"]) as source:
        entries = {info.filename: source.read(info) for info in source.infolist()}
    for method, extra, message in (
        (zipfile.ZIP_DEFLATED, {}, "compressed or encrypted"),
        (zipfile.ZIP_STORED, {"other/data.pkl": b"."}, "2 entries named data.pkl"),
        (zipfile.ZIP_STORED, {next(n for n in entries if n.endswith("byteorder")): b"big"}, "not little-endian"),
    ):
        with zipfile.ZipFile(path, "w", method) as target:
            for name, content in (entries | extra).items():
                target.writestr(name, content)
        with pytest.raises(UserError, match=message):
            read_checkpoint(path)
    path.write_bytes(files["torch"].read_bytes() + b"more")
    with pytest.raises(UserError, match="has another size than its entries"):
        read_checkpoint(path)


def corrupt(name, files):
    """The content of a bad file."""
    return {
        "cut.ckpt": files["lightning"].read_bytes()[:-100],
        "empty.pdparams": b"",
        "wrong.safetensors": b"GIF89a" + bytes(100),
        "longer.safetensors": files["neutral"].read_bytes() + b"x",
        "header.safetensors": struct.pack("<Q", 2**60) + b"{" + bytes(100),
        "calls.pkl": wrapped(CALLS[2], ".pt", files),
    }[name]


CORRUPTED = ("cut.ckpt", "empty.pdparams", "wrong.safetensors", "longer.safetensors", "header.safetensors", "calls.pkl")


@pytest.mark.parametrize("name", CORRUPTED)
def test_command_leaves_the_target_alone(name, files, tmp_path):
    source, target = tmp_path / name, tmp_path / "out" / "model.pdparams"
    source.write_bytes(corrupt(name, files))
    target.parent.mkdir()
    target.write_bytes(b"what was there")
    done = helpers.run("compare/convert.py", source, target, status=2)
    assert len(done.stderr.splitlines()) == 1
    assert str(source) in done.stderr
    assert os.listdir(target.parent) == ["model.pdparams"]
    assert target.read_bytes() == b"what was there"


def test_missing_file_is_named(tmp_path):
    done = helpers.run("compare/convert.py", tmp_path / "none.pt", tmp_path / "x.ckpt", status=2)
    assert "cannot read" in done.stderr
