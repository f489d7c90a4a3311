"""Exported models say what the network says, in every engine and for any number of images; folders are checked."""

import json
import os
import pickle
import shutil
import zipfile
from functools import partial

import numpy as np
import pytest
from PIL import Image

from shared.codes.predictions import records
from shared.data.cifar import class_name, load
from shared.data.pictures import read_pictures
from shared.system.errors import UserError
from shared.system.files import sha256_of
from shared.training.runs import Run
from shared.worker.exported import open_onnx, read_manifest, run_folder
from tests import helpers
from tests.prepared import REAL

WORKERS = {"onnx": "torch", "torch-export": "torch", "paddle-inference": "paddle"}
COUNT = 37


def checkpoint(small_suite):
    return small_suite / "paddle" / "bits12-seed2000" / "checkpoint.safetensors"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """37 pictures of digits; one is larger."""
    folder = tmp_path_factory.mktemp("digits")
    pixels = load("digits").pixels[:COUNT]
    for i, image in enumerate(pixels):
        picture = Image.fromarray(image)
        (picture.resize((50, 90)) if i == 3 else picture).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(COUNT)]


@pytest.fixture(scope="module")
def expected(small_suite, files):
    """What ``predict`` says of the pictures."""
    done = helpers.worker("paddle", "predict", "--checkpoint", checkpoint(small_suite), "--image", *files, "--json")
    return [json.loads(text) for text in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def models(small_suite, tmp_path_factory):
    """A folder per format."""
    out = tmp_path_factory.mktemp("models")
    for form, worker in WORKERS.items():
        if not helpers.is_installed(worker):
            pytest.skip(f"{worker} is not installed")
        source = ["--checkpoint", checkpoint(small_suite), "--format", form, "--out", out / form]
        assert f"{form}, uint8 images (N, 8, 8, 3)" in helpers.worker(worker, "export", *source).stdout
    return out


def infer(worker, model, files, **options):
    trust = ["--trust"] if model.name != "onnx" else []
    images = [word for file in files for word in ("--image", file)]
    done = helpers.worker(worker, "infer", "--model", model, *images, "--json", *trust, **options)
    return [json.loads(text) for text in done.stdout.splitlines()]


def check_same(found, expected):
    assert len(found) == len(expected)
    for ours, reference in zip(found, expected, strict=True):
        assert ours.keys() == reference.keys()
        assert ours["margin"] == pytest.approx(reference["margin"], rel=1e-3, abs=1e-5)
        if reference["margin"] > 1e-5:
            assert {key: ours[key] for key in ("image", "bits", "hex", "class", "label")} == {
                key: reference[key] for key in ("image", "bits", "hex", "class", "label")
            }
            assert ours["probability"] == pytest.approx(reference["probability"], rel=1e-5)


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


def torch_program(folder, canary):
    """The archive with a pickle as the inputs that it was traced with."""
    spoiled = folder / "spoiled.pt2"
    with zipfile.ZipFile(folder / "model.pt2") as source, zipfile.ZipFile(spoiled, "w") as target:
        for name in source.namelist():
            traced = "sample_inputs" in name
            target.writestr(name, pickle.dumps(Payload(canary), 2) if traced else source.read(name))
    os.replace(spoiled, folder / "model.pt2")


def paddle_program(folder, canary):
    for file in folder.glob("model.*"):
        file.unlink()
    # what it sets holds when Paddle is imported
    helpers.child("paddle", "paddle_program", folder, canary, environment={REAL: "1"})


def sign(folder):
    """Let the manifest name the files that are there."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {file.name: sha256_of(file.read_bytes()) for file in folder.glob("model.*")}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(("form", "spoil"), [("torch-export", torch_program), ("paddle-inference", paddle_program)])
def test_a_model_that_is_a_program_is_run_only_on_trust(form, spoil, models, files, tmp_path):
    """A stranger's model, whole by its manifest."""
    folder, canary = shutil.copytree(models / form, tmp_path / "model"), tmp_path / "canary"
    spoil(folder, canary)
    sign(folder)
    words = ["infer", "--model", folder, "--image", files[0]]
    done = helpers.worker(WORKERS[form], *words, status=2)
    assert f"{folder}: a {form} model is a program" in done.stderr
    assert "add --trust if you know who made it" in done.stderr
    assert not canary.exists()
    done = helpers.worker(WORKERS[form], *words, "--trust", status=2)
    assert "expected a model as the verb export writes it" in done.stderr.splitlines()[-1]
    assert canary.exists()  # it is what it was taken for


def onnx_model(outputs, location=""):
    """A model that answers with constants, one of which may lie in another file."""
    import onnx
    from onnx import helper

    constants = [onnx.numpy_helper.from_array(array, f"{name}_") for name, array in outputs.items()]
    if location:
        constants[0].ClearField("raw_data")
        constants[0].data_location = onnx.TensorProto.EXTERNAL
        constants[0].external_data.add(key="location", value=location)
    described = [helper.make_tensor_value_info(c.name[:-1], c.data_type, c.dims) for c in constants]
    images = helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, ["N", 8, 8, 3])
    nodes = [helper.make_node("Identity", [c.name], [c.name[:-1]]) for c in constants]
    graph = helper.make_graph(nodes, "g", [images], described, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def answer(**changes):
    whole = {"feature": np.ones((1, 12), np.float32), "code": np.ones((1, 12), np.uint8)}
    return whole | {"probability": np.full((1, 10), 0.1, np.float32), "label": np.array([3])} | changes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: onnx_model(answer()), ""),
        (lambda: b"no model", "received one that fails: "),
        (lambda: onnx_model(answer(), "../elsewhere"), "received one that fails: "),
        (lambda: onnx_model(answer(label=np.array([10]))), "codes or classes are out of range"),
        (lambda: onnx_model(answer(label=np.array([-1]))), "codes or classes are out of range"),
        (lambda: onnx_model(answer(code=np.full((1, 12), 2, np.uint8))), "codes or classes are out of range"),
        (lambda: onnx_model(answer(feature=np.ones((1, 13), np.float32))), "the output feature float32 (1, 13)"),
        (lambda: onnx_model({"feature": np.ones((1, 12), np.float32)}), "received one that fails: "),
    ],
    ids=["whole", "no model", "a file elsewhere", "class 10", "class -1", "bit 2", "13 bits", "one output"],
)
def test_onnx_of_a_stranger(content, message, models, files, tmp_path):
    pytest.importorskip("onnx")
    folder = shutil.copytree(models / "onnx", tmp_path / "model")
    (tmp_path / "elsewhere").write_bytes(np.ones(12, np.float32).tobytes())
    (folder / "model.onnx").write_bytes(content())
    sign(folder)
    manifest, pixels = read_manifest(folder), read_pictures(files[:1], (8, 8))[0]
    if not message:
        assert run_folder(folder, manifest, open_onnx, pixels).label == [3]
        return
    with pytest.raises(UserError) as error:
        run_folder(folder, manifest, open_onnx, pixels)
    assert message in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("form", WORKERS)
def test_exported_model_agrees_with_predict(form, models, files, expected):
    check_same(infer(WORKERS[form], models / form, files), expected)


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("form", ["torch-export", "paddle-inference"])
def test_batches_of_any_size(form, count, models, files, expected):
    check_same(infer(WORKERS[form], models / form, files[:count]), expected[:count])


def test_onnx_takes_batches_of_any_size_one_after_the_other(models, files, expected):
    pixels, names, _ = read_pictures(files, (8, 8))
    model = open_onnx(models / "onnx")
    for count in (1, 5, COUNT, 2):
        check_same(records(model(pixels[:count]), names[:count], partial(class_name, "digits")), expected[:count])


def test_onnx_needs_no_framework(framework, models, files, expected, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(helpers.BLOCKING.format(framework=helpers.MODULES[framework]))
    found = infer(framework, models / "onnx", files, environment={"PYTHONPATH": tmp_path})
    check_same(found, expected)


def test_onnx_file_is_well_formed_and_says_what_the_manifest_says(models):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(models / "onnx" / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    manifest = json.loads((models / "onnx" / "manifest.json").read_text())
    assert [value.name for value in model.graph.input] == [manifest["input"]["name"]]
    assert [value.name for value in model.graph.output] == [output["name"] for output in manifest["outputs"]]
    first = model.graph.input[0].type.tensor_type.shape.dim
    assert first[0].dim_param
    assert [dim.dim_value for dim in first[1:]] == [8, 8, 3]
    assert {opset.domain for opset in model.opset_import} == {""}


@pytest.mark.parametrize("form", WORKERS)
def test_manifest_names_checkpoint_and_files(form, models, small_suite):
    manifest = read_manifest(models / form)
    assert manifest.format == form
    assert manifest.checkpoint_sha256 == Run(checkpoint(small_suite).parent).result()["checkpoint_sha256"]
    assert manifest.recipe == Run(checkpoint(small_suite).parent).recipe()
    assert {file.name for file in (models / form).iterdir()} == {*manifest.files, "manifest.json"}
    assert manifest.versions


def test_paddle_runs_the_products_of_its_model_with_onednn(models, files):
    chatter = {"ONEDNN_VERBOSE": "1", "DNNL_VERBOSE": "1"}
    words = ["infer", "--model", models / "paddle-inference", "--image", files[0], "--trust"]
    printed = helpers.worker("paddle", *words, environment=chatter).stdout
    assert "convolution" in printed
    assert "inner_product" in printed or "matmul" in printed


def test_the_other_workers_format_is_refused_in_one_line(framework, small_suite, models, files, tmp_path):
    for form, worker in WORKERS.items():
        if worker != framework:
            words = ["--checkpoint", checkpoint(small_suite), "--format", form, "--out", tmp_path / "out"]
            told = helpers.worker(framework, "export", *words, status=2).stderr
            assert f"--format {form}: expected another worker: python -m {worker}_impl exports it" in told
            assert not (tmp_path / "out").exists()
            if form != "onnx":
                words = ["--model", models / form, "--image", files[0]]
                assert f"python -m {worker}_impl runs it" in helpers.worker(framework, "infer", *words, status=2).stderr


def spoil_format(folder):
    values = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(values | {"format": "x"}))


def flip_a_byte(folder):
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "expected a folder written by the verb export"),
        (
            lambda folder: (folder / "manifest.json").write_text("{}"),
            "manifest.json: missing checkpoint_sha256, files, format",
        ),
        (lambda folder: (folder / "manifest.json").write_text("no"), "expected JSON that this project wrote"),
        (spoil_format, "format: expected onnx or torch-export or paddle-inference, received 'x'"),
        (flip_a_byte, "expected the file that was exported, received another"),
        (lambda folder: (folder / "model.onnx").unlink(), "expected the file that was exported"),
    ],
    ids=["no manifest", "empty", "no JSON", "format", "damaged", "missing"],
)
def test_folders_that_hold_no_whole_model_are_refused(spoil, message, models, files, tmp_path):
    shutil.copytree(models / "onnx", tmp_path / "model")
    spoil(tmp_path / "model")
    done = helpers.worker("torch", "infer", "--model", tmp_path / "model", "--image", files[0], status=2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_manifest_cannot_name_files_elsewhere(models, tmp_path):
    shutil.copytree(models / "onnx", tmp_path / "model")
    values = json.loads((tmp_path / "model" / "manifest.json").read_text())
    values["files"] = {f"../{name}": digest for name, digest in values["files"].items()}
    (tmp_path / "model" / "manifest.json").write_text(json.dumps(values))
    assert set(read_manifest(tmp_path / "model").files) == {"model.onnx"}


def test_folder_that_cannot_be_written(small_suite, tmp_path):
    (tmp_path / "file").write_text("")
    words = ["--checkpoint", checkpoint(small_suite), "--format", "paddle-inference", "--out", tmp_path / "file"]
    assert "cannot write to the folder" in helpers.worker("paddle", "export", *words, status=2).stderr


def test_missing_package_names_the_extra(models, files, tmp_path, small_suite):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name.startswith('onnx') else find(name, *rest)\n"
    )
    blocked = {"environment": {"PYTHONPATH": tmp_path}, "status": 2}
    words = ["--checkpoint", checkpoint(small_suite), "--format", "onnx", "--out", tmp_path / "out"]
    told = helpers.worker("torch", "export", *words, **blocked).stderr
    assert "expected onnx and onnxscript in" in told
    assert "pip install -e '.[export]'" in told
    words = ["--model", models / "onnx", "--image", files[0]]
    assert "expected onnxruntime in" in helpers.worker("paddle", "infer", *words, **blocked).stderr
