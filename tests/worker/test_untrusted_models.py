"""Exported models from elsewhere: programs only on trust, and folders that are not what export writes are one line."""

import json
import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest

from shared.data.pictures import read_pictures
from shared.system.errors import UserError
from shared.system.files import sha256_of
from shared.worker.exported import open_onnx, read_manifest, run_folder
from tests import helpers
from tests.prepared import REAL
from tests.worker.exported_models import WORKERS


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


def torch_program(folder, canary):
    """The archive with a pickle as the inputs that it was traced with."""
    corrupted = folder / "corrupted.pt2"
    with zipfile.ZipFile(folder / "model.pt2") as source, zipfile.ZipFile(corrupted, "w") as target:
        for name in source.namelist():
            traced = "sample_inputs" in name
            target.writestr(name, pickle.dumps(Payload(canary), 2) if traced else source.read(name))
    os.replace(corrupted, folder / "model.pt2")


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


@pytest.mark.parametrize(("form", "corrupt"), [("torch-export", torch_program), ("paddle-inference", paddle_program)])
def test_a_model_that_is_a_program_is_run_only_on_trust(form, corrupt, models, digit_files, tmp_path):
    """A model from elsewhere, whole by its manifest."""
    folder, canary = shutil.copytree(models / form, tmp_path / "model"), tmp_path / "canary"
    corrupt(folder, canary)
    sign(folder)
    arguments = ["infer", "--model", folder, "--image", digit_files[0]]
    done = helpers.worker(WORKERS[form], *arguments, status=2)
    assert f"{folder}: a {form} model is a program" in done.stderr
    assert "add --trust if you know who made it" in done.stderr
    assert not canary.exists()
    done = helpers.worker(WORKERS[form], *arguments, "--trust", status=2)
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
def test_onnx_from_elsewhere(content, message, models, digit_files, tmp_path):
    pytest.importorskip("onnx")
    folder = shutil.copytree(models / "onnx", tmp_path / "model")
    (tmp_path / "elsewhere").write_bytes(np.ones(12, np.float32).tobytes())
    (folder / "model.onnx").write_bytes(content())
    sign(folder)
    manifest, pixels = read_manifest(folder), read_pictures(digit_files[:1], (8, 8))[0]
    if not message:
        assert run_folder(folder, manifest, open_onnx, pixels).label == [3]
        return
    with pytest.raises(UserError) as error:
        run_folder(folder, manifest, open_onnx, pixels)
    assert message in str(error.value)
    assert len(str(error.value)) < 600


def corrupt_format(folder):
    values = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(values | {"format": "x"}))


def flip_a_byte(folder):
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "expected a folder written by the verb export"),
        (
            lambda folder: (folder / "manifest.json").write_text("{}"),
            "manifest.json: missing checkpoint_sha256, files, format",
        ),
        (lambda folder: (folder / "manifest.json").write_text("no"), "expected JSON that this project wrote"),
        (corrupt_format, "format: expected onnx or torch-export or paddle-inference, received 'x'"),
        (flip_a_byte, "expected the file that was exported, received another"),
        (lambda folder: (folder / "model.onnx").unlink(), "expected the file that was exported"),
    ],
    ids=["no manifest", "empty", "no JSON", "format", "damaged", "missing"],
)
def test_folders_that_hold_no_whole_model_are_refused(corrupt, message, models, digit_files, tmp_path):
    shutil.copytree(models / "onnx", tmp_path / "model")
    corrupt(tmp_path / "model")
    done = helpers.worker("torch", "infer", "--model", tmp_path / "model", "--image", digit_files[0], status=2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_manifest_cannot_name_files_elsewhere(models, tmp_path):
    shutil.copytree(models / "onnx", tmp_path / "model")
    values = json.loads((tmp_path / "model" / "manifest.json").read_text())
    values["files"] = {f"../{name}": digest for name, digest in values["files"].items()}
    (tmp_path / "model" / "manifest.json").write_text(json.dumps(values))
    assert set(read_manifest(tmp_path / "model").files) == {"model.onnx"}
