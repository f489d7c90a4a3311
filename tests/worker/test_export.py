"""Exported models say what the network says, in every engine and for any number of images; folders are checked."""

import json
from functools import partial

import pytest

from shared.codes.predictions import records
from shared.data.cifar import class_name
from shared.data.pictures import read_pictures
from shared.training.runs import Run
from shared.worker.exported import open_onnx, read_manifest
from tests import helpers
from tests.worker.exported_models import COUNT, WORKERS, checkpoint


@pytest.fixture(scope="module")
def expected(small_suite, digit_files):
    """What ``predict`` says of the pictures."""
    done = helpers.worker(
        "paddle", "predict", "--checkpoint", checkpoint(small_suite), "--image", *digit_files, "--json"
    )
    return [json.loads(text) for text in done.stdout.splitlines()]


def infer(worker, model, files, **options):
    trust = ["--trust"] if model.name != "onnx" else []
    images = [word for file in files for word in ("--image", file)]
    done = helpers.worker(worker, "infer", "--model", model, *images, "--json", *trust, **options)
    return [json.loads(text) for text in done.stdout.splitlines()]


def check_same(received, expected):
    assert len(received) == len(expected)
    for ours, reference in zip(received, expected, strict=True):
        assert ours.keys() == reference.keys()
        assert ours["margin"] == pytest.approx(reference["margin"], rel=1e-3, abs=1e-5)
        if reference["margin"] > 1e-5:
            assert {key: ours[key] for key in ("image", "bits", "hex", "class", "label")} == {
                key: reference[key] for key in ("image", "bits", "hex", "class", "label")
            }
            assert ours["probability"] == pytest.approx(reference["probability"], rel=1e-5)


@pytest.mark.parametrize("form", WORKERS)
def test_exported_model_agrees_with_predict(form, models, digit_files, expected):
    check_same(infer(WORKERS[form], models / form, digit_files), expected)


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("form", ["torch-export", "paddle-inference"])
def test_batches_of_any_size(form, count, models, digit_files, expected):
    check_same(infer(WORKERS[form], models / form, digit_files[:count]), expected[:count])


def test_onnx_takes_batches_of_any_size_one_after_the_other(models, digit_files, expected):
    pixels, names, _ = read_pictures(digit_files, (8, 8))
    model = open_onnx(models / "onnx")
    for count in (1, 5, COUNT, 2):
        check_same(records(model(pixels[:count]), names[:count], partial(class_name, "digits")), expected[:count])


def test_onnx_needs_no_framework(framework, models, digit_files, expected, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(helpers.BLOCKING.format(framework=helpers.MODULES[framework]))
    received = infer(framework, models / "onnx", digit_files, environment={"PYTHONPATH": tmp_path})
    check_same(received, expected)


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


def test_paddle_runs_the_products_of_its_model_with_onednn(models, digit_files):
    chatter = {"ONEDNN_VERBOSE": "1", "DNNL_VERBOSE": "1"}
    arguments = ["infer", "--model", models / "paddle-inference", "--image", digit_files[0], "--trust"]
    printed = helpers.worker("paddle", *arguments, environment=chatter).stdout
    assert "convolution" in printed
    assert "inner_product" in printed or "matmul" in printed


def test_the_other_workers_format_is_refused_in_one_line(framework, small_suite, models, digit_files, tmp_path):
    for form, worker in WORKERS.items():
        if worker != framework:
            arguments = ["--checkpoint", checkpoint(small_suite), "--format", form, "--out", tmp_path / "out"]
            message = helpers.worker(framework, "export", *arguments, status=2).stderr
            assert f"--format {form}: expected another worker: python -m {worker}_impl exports it" in message
            assert not (tmp_path / "out").exists()
            if form != "onnx":
                arguments = ["--model", models / form, "--image", digit_files[0]]
                message = helpers.worker(framework, "infer", *arguments, status=2).stderr
                assert f"python -m {worker}_impl runs it" in message


def test_folder_that_cannot_be_written(small_suite, tmp_path):
    (tmp_path / "file").write_text("")
    arguments = ["--checkpoint", checkpoint(small_suite), "--format", "paddle-inference", "--out", tmp_path / "file"]
    assert "cannot write to the folder" in helpers.worker("paddle", "export", *arguments, status=2).stderr


def test_missing_package_names_the_extra(models, digit_files, tmp_path, small_suite):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name.startswith('onnx') else find(name, *rest)\n"
    )
    blocked = {"environment": {"PYTHONPATH": tmp_path}, "status": 2}
    arguments = ["--checkpoint", checkpoint(small_suite), "--format", "onnx", "--out", tmp_path / "out"]
    message = helpers.worker("torch", "export", *arguments, **blocked).stderr
    assert "expected onnx and onnxscript in" in message
    assert "pip install -e '.[export]'" in message
    arguments = ["--model", models / "onnx", "--image", digit_files[0]]
    assert "expected onnxruntime in" in helpers.worker("paddle", "infer", *arguments, **blocked).stderr
