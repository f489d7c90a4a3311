"""Weights files of other people: only what is wanted of one is judged, and what is left out is named."""

import pickle
import re

import numpy as np
import pytest

from compare.suite import backbone
from shared.checkpoint import checkpoint, weights
from shared.checkpoint.backbone import load_backbone
from shared.checkpoint.checkpoint import read_checkpoint
from shared.checkpoint.names import CLASSIFIER
from shared.network.alexnet import RELU_LAYERS
from shared.system.errors import UserError
from shared.system.files import sha256_of
from tests import helpers
from tests.checkpoints import PADDLE, RECIPE, in_paddle, pickled, same

CONTAINERS = ("legacy.pkl", "parallel.pth", "compiled.pth", "deep.pth", "nested.pt", "deeper.pt", "flat.pt")
CONTAINERS += ("criterion.pt", "views.pt", "legacy_views.pt", "module.pt", "parallel_module.pt", "script.pt")
CONTAINERS += ("legacy4.pt", "listed.pt", "kind_of_dict.pt", "beside.pt", "beside_legacy.pt", "functions.ckpt")


@pytest.mark.parametrize("name", CONTAINERS)
def test_whatever_holds_the_weights(name, foreign, original):
    assert same(read_checkpoint(foreign / name).weights, original.weights)


@pytest.mark.parametrize("name", ["beside.pt", "beside_legacy.pt"])
def test_what_lies_beside_is_named(name, foreign):
    left = dict(read_checkpoint(foreign / name).left_out)
    assert left.pop("kind") == "torch.optim.sgd.SGD"
    assert left == {
        "args": "argparse.Namespace",
        "when": "datetime.datetime",
        "best": "",
        "curve": "",
        "bits": "builtins.set",
        "path": "pathlib.PosixPath",
        "device": "torch.device",
        "make": "functools.partial",
        "size": "torch.Size",
    }


def test_of_several_networks_one_is_chosen(foreign, original):
    with pytest.raises(
        UserError, match=r"names after 'ema\.'; or .* after 'net\.'; choose one by --key ema or --key net"
    ):
        read_checkpoint(foreign / "two.pt")
    assert same(read_checkpoint(foreign / "two.pt", key="net").weights, original.weights)
    twice = {name: array * 2 for name, array in original.weights.items()}
    assert same(read_checkpoint(foreign / "two.pt", key="ema").weights, twice)
    for name, mend in {"two.pt": "there is --key ema or --key net", "legacy.pkl": "leave out --key"}.items():
        with pytest.raises(UserError, match=f"expected GreedyHash's parameters under nett, received .*; {mend}$"):
            read_checkpoint(foreign / name, key="nett")
    assert same(read_checkpoint(foreign / "deeper.pt", key="model.state_dict").weights, original.weights)


def narrow(arrays, kind):
    """Arrays as float16, or the upper halves of float32, rounded to even, which are bfloat16's bits."""
    if kind == "float16":
        return {name: array.astype(np.float16) for name, array in arrays.items()}
    bits = {name: array.view(np.uint32).astype(np.uint64) for name, array in arrays.items()}
    return {name: ((b + 0x7FFF + ((b >> 16) & 1)) >> 16).astype("<u2") for name, b in bits.items()}


def wide(arrays):
    """What ``narrow`` arrays hold, by arithmetic of our own."""
    return {
        name: (array.astype("<u4") << 16).view("<f4") if array.dtype == np.uint16 else array.astype(np.float32)
        for name, array in arrays.items()
    }


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_sixteen_bits_are_widened_exactly(kind, foreign, original, tmp_path):
    halves = narrow(original.weights, kind)
    raw = raw_safetensors(tmp_path / "m.safetensors", {"float16": "F16", "bfloat16": "BF16"}[kind], halves)
    for path in (foreign / f"{kind}.pt", pickled(tmp_path / "m.pdparams", in_paddle(halves)), raw):
        loaded = read_checkpoint(path)
        assert same(loaded.weights, wide(halves))
        assert f"{kind} widened to float32" in loaded.form


def raw_safetensors(path, kind, arrays):
    parts, header, begin = [], {}, 0
    for name, array in arrays.items():
        parts.append(array.tobytes())
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [begin, begin + array.nbytes]}
        begin += array.nbytes
    text = str(header).replace("'", '"').encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
    return path


@pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E5M2", "NONSENSE"])
def test_unknown_types_are_one_line(kind, original, tmp_path):
    arrays = {name: np.zeros(array.shape, np.uint8) for name, array in original.weights.items()}
    with pytest.raises(UserError, match="safetensors") as error:
        read_checkpoint(raw_safetensors(tmp_path / "m.safetensors", kind, arrays))
    assert str(error.value).isprintable()


def test_header_whose_length_looks_like_a_pickle(original, tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, original)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    padded = 0x0480 + 0x10000 * (length // 0x10000 + 1)  # begins with b"\x80\x04", as pickles of protocol 4 do
    path.write_bytes(padded.to_bytes(8, "little") + data[8 : 8 + length].ljust(padded) + data[8 + length :])
    assert path.read_bytes()[:2] == b"\x80\x04"
    assert same(read_checkpoint(path).weights, original.weights)


def test_other_types_are_taken_where_no_value_changes(foreign, original):
    loaded = read_checkpoint(foreign / "float64.pt")
    assert same(loaded.weights, original.weights)
    assert "float64 taken as float32, which holds the same values" in loaded.form
    for name, message in (
        ("finer.pt", "received float64 with values that float32 does not hold; round them yourself"),
        (
            "int8.pt",
            "hash.bias: expected float32, float16, bfloat16 or float64, received int8; of quantized weights save",
        ),
        ("float8.pt", r"classifier\.weight: .* the type float8_e4m3fn, where float32 is expected; widen them before"),
        ("quantized.pt", r"classifier\.weight: .* the type quantized, .*; of quantized weights save those from before"),
        ("sparse.pt", r"classifier\.weight: expected a tensor, received torch\._utils\._rebuild_sparse_tensor"),
        ("meta.pt", r"classifier\.weight: expected a tensor, received torch\._utils\._rebuild_meta_tensor_no_storage"),
    ):
        with pytest.raises(UserError, match=message) as error:
            read_checkpoint(foreign / name, need_classifier=False)
        assert str(error.value).isprintable()


def test_what_is_no_torch_save_says_how_to_convert(foreign):
    for name, command in (("exported.pt2", "torch.export.load('exported.pt2')"), ("plain.pkl", "pickle.load(open(")):
        with pytest.raises(UserError) as error:
            read_checkpoint(foreign / name)
        assert command in str(error.value)
        assert "weights_only" not in str(error.value)


def test_paddle_containers(original, tmp_path):
    for name, content in {
        "nested": {"model": PADDLE, "epoch": 3},
        "flat": {**PADDLE, "epoch": 3},
        "fleet": {f"_layers.{name}": array for name, array in PADDLE.items()},
        "deeper": {"best": {"model": PADDLE}, "log": [1, 2]},
    }.items():
        for protocol in range(6):
            (tmp_path / f"{name}.pdparams").write_bytes(pickle.dumps(content, protocol))
            assert same(read_checkpoint(tmp_path / f"{name}.pdparams").weights, original.weights), (name, protocol)


def test_large_parameters_in_slices(original, tmp_path):
    name = "classifier_plus.1.weight"
    flat, shape = PADDLE[name].flatten(), PADDLE[name].shape
    parts = {f"{name}@@.{i}": part for i, part in enumerate(np.array_split(flat, 3))}
    info = {name: {"OriginShape": shape, "slices": list(parts)}}
    content = {n: a for n, a in PADDLE.items() if n != name} | parts | {"UnpackBigParamInfor@@": info}
    assert same(read_checkpoint(pickled(tmp_path / "cut.pdparams", content)).weights, original.weights)
    del content[f"{name}@@.1"]
    with pytest.raises(UserError, match="expected the parts that UnpackBigParamInfor@@ lists"):
        read_checkpoint(pickled(tmp_path / "cut.pdparams", content))


def test_what_paddle_saves_in_containers(original, tmp_path):
    """As paddle.save pickles a nested dict: tuple((name, array)) for a parameter, eval("data", ...) for a tensor."""

    class Parameter:
        def __init__(self, name, array):
            self.state = (tuple, ((name, array),))

        def __reduce__(self):
            return self.state

    class Tensor(Parameter):
        def __init__(self, name, array):
            self.state = (eval, ("data", {"data": array}))

    model = {name: (Tensor if k % 2 else Parameter)(f"p_{k}", a) for k, (name, a) in enumerate(PADDLE.items())}
    path = pickled(tmp_path / "nested.pdparams", {"model": model, "epoch": 3})
    loaded = read_checkpoint(path)
    assert same(loaded.weights, original.weights)
    assert loaded.left_out == {"epoch": ""}


def test_summary_names_what_was_left_out(foreign, tmp_path):
    done = helpers.run("compare/convert.py", foreign / "beside.pt", tmp_path / "x.safetensors")
    assert "left out: args (argparse.Namespace), when (datetime.datetime), best, curve" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    done = helpers.run("compare/convert.py", foreign / "two.pt", tmp_path / "x.pdparams", "--key", "ema")
    assert "names after 'ema.'" in done.stdout


def test_classifier_of_a_deephash_file(foreign, files, original, tmp_path):
    """What is written for DeepHash-pytorch lacks the classifier, unless asked for; what lacks it can be encoded."""
    bare = read_checkpoint(foreign / "deephash.pth", need_classifier=False)
    assert CLASSIFIER not in bare.weights
    options = ("--names", "deephash")
    done = helpers.run("compare/convert.py", files["neutral"], tmp_path / "a.pt", *options)
    assert "left out: classifier (DeepHash-pytorch keeps it in its loss; --with-classifier" in done.stdout
    assert CLASSIFIER not in read_checkpoint(tmp_path / "a.pt", need_classifier=False).weights
    helpers.run("compare/convert.py", files["neutral"], tmp_path / "b.pt", *options, "--with-classifier")
    assert same(read_checkpoint(tmp_path / "b.pt").weights, original.weights)
    for arguments, message in (
        ((tmp_path / "a.pt", tmp_path / "c.pdparams"), "classifier.weight is missing"),
        ((files["neutral"], tmp_path / "c.pt", "--with-classifier"), "--with-classifier: expected --names deephash"),
    ):
        assert message in helpers.run("compare/convert.py", *arguments, status=2).stderr


@pytest.mark.parametrize("name", ["alexnet.pth", "alexnet_parallel.pth", "alexnet_features.pth", "module.pt"])
def test_backbone_in_a_torch_file(name, foreign, original):
    layers = RELU_LAYERS[:5] if name == "alexnet_features.pth" else RELU_LAYERS
    expected = {n: array for n, array in original.weights.items() if n.split(".")[0] in layers}
    assert same(load_backbone(foreign / name, RECIPE), expected)


def test_backbone_is_imagenets_where_every_layer_is_known(foreign, original, monkeypatch):
    convolutions = {n: array for n, array in original.weights.items() if n.startswith("conv")}

    def known_as(name):
        return backbone.read_backbone(str(foreign / name), RECIPE, None)[0].backbone

    assert known_as("alexnet_features.pth") == "file"
    monkeypatch.setattr(backbone, "IMAGENET_CONVOLUTIONS", weights.digest(convolutions))
    assert known_as("alexnet_features.pth") == "imagenet"
    assert known_as("alexnet.pth") == "file"
    monkeypatch.setattr(backbone, "IMAGENET_FILE", sha256_of((foreign / "alexnet.pth").read_bytes())[:8])
    assert known_as("alexnet.pth") == "imagenet"
    assert known_as("alexnet_parallel.pth") == "file"


def test_names_of_a_file_are_shown_printable(tmp_path):
    content = {f"\x1b[31m\n{'x' * 5000}{k}": np.zeros(1, np.float32) for k in range(50)}
    with pytest.raises(UserError) as error:
        read_checkpoint(pickled(tmp_path / "m.pdparams", content))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize(
    ("name", "content", "remedy"),
    [
        ("a.pth", b"\x1f\x8b\x08" + bytes(40), "it is compressed: unpack it by gunzip first"),
        (
            "a.pth",
            b"version https://git-lfs.github.com/spec/v1\n",
            "it is a pointer of Git LFS: fetch the file itself by git lfs pull",
        ),
        ("a.ckpt", b"<!DOCTYPE html>", "it is a web page: download the file again"),
        ("a.safetensors", b"", "it is empty: copy or download the file again"),
        ("a.pth", b"L119547037146038801333356L\n.", "save the weights again: torch.save(model.state_dict(), "),
        ("a.pdparams", b"nonsense nonsense", "save the weights again: paddle.save(model.state_dict(), "),
    ],
)
def test_what_is_no_checkpoint_says_how_to_mend_it(name, content, remedy, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"received {len(content)} bytes that begin with .*; {re.escape(remedy)}"):
        read_checkpoint(tmp_path / name)
