"""Every format into every format, bit for bit; names decide; what is ambiguous, damaged or hostile is refused."""

import dataclasses
import json
import shutil
from itertools import product

import numpy as np
import pytest
from safetensors.numpy import save_file

from compare.conversion import convert
from compare.conversion.inspection import inspect
from shared.checkpoint import checkpoint
from shared.checkpoint.checkpoint import open_checkpoint, read_checkpoint
from shared.config.recipe import PRESETS, recipe_from_text
from shared.network.alexnet import parameters, sizes_of
from shared.system.errors import UserError
from shared.system.files import write_json
from tests import helpers
from tests.checkpoints import DEEPHASH, FORMS, PADDLE, RECIPE, in_paddle, numbers, pickled, same, state, written

WITH_MOMENTUM = {"neutral", "lightning", "paddle", "paddle_greedyhash"}


@pytest.fixture(scope="session")
def neutral(original, tmp_path_factory):
    path = tmp_path_factory.mktemp("neutral") / "model.safetensors"
    checkpoint.save(path, original)
    return path


@pytest.mark.parametrize(("source", "target"), list(product(FORMS, FORMS)))
def test_every_format_to_every_format_and_back(source, target, files, original, torch_writer, tmp_path):
    converted = read_checkpoint(written(target, read_checkpoint(files[source]), tmp_path, torch_writer))
    assert same(converted.weights, original.weights)
    if {source, target} <= WITH_MOMENTUM:
        assert same(converted.momentum, original.momentum)
        assert converted.metadata() == original.metadata()
    else:
        assert converted.momentum is None
        assert converted.metadata() == {}


@pytest.mark.parametrize("form", FORMS)
def test_form_is_recognised(form, files):
    assert checkpoint.TITLES[FORMS[form][1]] in read_checkpoint(files[form]).form


def test_paddle_loads_what_was_converted_and_saves_it_again(files, original, tmp_path):
    if not helpers.is_installed("paddle"):
        pytest.skip("paddle is not installed")
    write_json(tmp_path / "recipe.json", dataclasses.asdict(RECIPE))
    prefix = files["paddle"].with_suffix("")
    done = helpers.child("paddle", "paddle_checkpoints", tmp_path / "recipe.json", prefix, tmp_path / "out")
    assert done.stdout.splitlines()[-1] == "2 0.005"
    converted = read_checkpoint(tmp_path / "out.pdopt")
    assert same(converted.weights, original.weights)
    assert converted.epoch == 2
    for name, velocity in converted.momentum.items():
        assert np.allclose(velocity, original.momentum[name] * np.float32(0.9), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (DEEPHASH | PADDLE, "DeepHash-pytorch's names, not expected .*; or paddle_greedyhash's names, not expected"),
        (PADDLE | {f"module.{name}": array for name, array in PADDLE.items()}, "; or paddle_greedyhash's names after"),
        (
            {n: a for n, a in PADDLE.items() if "_plus" not in n},
            "DeepHash-pytorch's names, missing .*; or paddle_greed",
        ),
        (PADDLE | {"fc.bias": np.zeros(10, np.float32)}, r"not expected \['fc.bias'\]"),
        ({n: a for n, a in PADDLE.items() if n != "features.3.bias"}, r"missing \['features.3.bias'\]"),
        ({"layer4.weight": np.zeros(1, np.float32)}, "expected GreedyHash's parameters, received"),
        ({}, "expected GreedyHash's parameters, received"),
        (state("ours"), "as Paddle stores them, by their shapes as PyTorch does .*fc6.weight"),
        (PADDLE | {"fc.weight": np.zeros((13, 9), np.float32)}, "expected the shapes .*classifier.weight"),
        (PADDLE | {"fc.weight": np.zeros((12, 0), np.float32)}, "expected the shapes .*classifier.weight"),
        (PADDLE | {"features.0.bias": np.zeros(9, np.float32)}, "expected AlexNet's layer sizes"),
        (PADDLE | {"features.0.bias": np.float32([np.nan])}, "expected finite values"),
        (PADDLE | {"features.0.bias": np.full(1, 0.1)}, "expected float32, received float64"),
        (PADDLE | {"features.0.bias": [0.0]}, r"missing \['features.0.bias'\]"),
        (
            {n: a for n, a in DEEPHASH.items() if n != "fc.weight"},
            "classifier.weight is missing; DeepHash-pytorch keeps",
        ),
    ],
)
def test_names_and_shapes_that_do_not_decide(content, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read_checkpoint(pickled(tmp_path / "model.pdparams", content))


OTHER = dataclasses.replace(RECIPE, width=1 / 2, hidden_units=128, pooled_px=2)


@pytest.mark.parametrize("recipe", [OTHER, dataclasses.replace(OTHER, hidden_units=1024)], ids=["128", "square fc6"])
def test_other_hidden_units_and_pooled_pixels_are_recognised(recipe, tmp_path):
    generator = np.random.default_rng(3)
    arrays = {p.name: generator.standard_normal(p.shape).astype(np.float32) for p in parameters(recipe)}
    path = pickled(tmp_path / "model.pdparams", in_paddle(state("ours", arrays)))
    found = read_checkpoint(path)
    assert found.sizes == sizes_of(recipe)
    assert same(found.weights, arrays)
    with_recipe_of = convert.with_recipe(found, PRESETS["demo"], "digits")
    assert parameters(recipe_from_text(with_recipe_of.recipe, "here")) == parameters(recipe)
    units = f"{recipe.hidden_units // 2} units in fc6 and fc7 on 2 x 2 pooled features"
    assert f"12 bits, AlexNet width x0.5, {units}, " in inspect(found)


@pytest.mark.parametrize("classes", [2, 12, 100])
def test_a_classifier_of_any_number_of_classes_is_read_and_compared_with_the_data(classes, tmp_path):
    path = pickled(tmp_path / "model.pdparams", PADDLE | {"fc.weight": np.zeros((12, classes), np.float32)})
    found = read_checkpoint(path)
    assert (found.num_classes, found.weights["classifier.weight"].shape) == (classes, (classes, 12))
    with pytest.raises(UserError, match=f"--data: expected images of {classes} classes, .* received 10"):
        convert.with_recipe(found, PRESETS["demo"], "digits")


@pytest.mark.parametrize("recipe", [OTHER, dataclasses.replace(OTHER, hidden_units=1024)], ids=["128", "square fc6"])
def test_other_sizes_in_the_other_orientation_are_refused(recipe, tmp_path):
    arrays = {p.name: np.zeros(p.shape, np.float32) for p in parameters(recipe)}
    with pytest.raises(UserError, match="as Paddle stores them, by their shapes as PyTorch does"):
        read_checkpoint(pickled(tmp_path / "model.pdparams", state("ours", arrays)))


def test_suffix_and_content_must_agree(files, tmp_path):
    for source, suffix in (("torch", ".pdparams"), ("paddle", ".pkl"), ("neutral", ".pt")):
        path = tmp_path / f"model{suffix}"
        path.write_bytes(files[source].read_bytes())
        with pytest.raises(UserError, match=r"it can be read as .* by its suffix or as .* by its content"):
            read_checkpoint(path)
    path = tmp_path / "model.backup"
    path.write_bytes(files["lightning"].read_bytes())
    assert read_checkpoint(path).epoch == 2


def test_expected_bits(files):
    assert read_checkpoint(files["torch"], bits=12).bits == 12
    with pytest.raises(UserError, match="expected 48 bits, received 12"):
        read_checkpoint(files["torch"], bits=48)


def test_optimizer_of_other_parameters_is_refused(files, tmp_path):
    other = dataclasses.replace(read_checkpoint(files["paddle"]), weights=numbers(5))
    path = written("paddle", other, tmp_path)
    (tmp_path / "model.pdopt").write_bytes(files["paddle"].with_suffix(".pdopt").read_bytes())
    with pytest.raises(UserError, match="belongs to other parameters"):
        read_checkpoint(path)


def test_stale_optimizer_does_not_survive(files, tmp_path):
    path = written("paddle", read_checkpoint(files["paddle"]), tmp_path)
    written("paddle", read_checkpoint(files["torch"]), tmp_path)
    assert not path.with_suffix(".pdopt").exists()
    assert read_checkpoint(path).momentum is None


def test_model_without_classifier(files, original, tmp_path):
    arrays = {name: array for name, array in DEEPHASH.items() if name != "fc.weight"}
    source = pickled(tmp_path / "model.pdparams", arrays)
    assert "missing ['fc.weight']" in helpers.run("compare/convert.py", source, "--inspect").stdout
    done = helpers.run("compare/convert.py", source, tmp_path / "x.pdparams", status=2)
    assert "classifier.weight is missing" in done.stderr
    helpers.run("compare/convert.py", source, tmp_path / "x.pt", "--names", "deephash")
    converted = read_checkpoint(tmp_path / "x.pt", need_classifier=False)
    assert same(converted.weights, {n: a for n, a in original.weights.items() if n != "classifier.weight"})


def test_model_without_classifier_is_scored_without_accuracy(files, original, tmp_path):
    source, scores = tmp_path / "model.pdparams", []
    for arrays in (DEEPHASH, {name: array for name, array in DEEPHASH.items() if name != "fc.weight"}):
        helpers.run("compare/convert.py", pickled(source, arrays), tmp_path / "x.safetensors", "--recipe", "demo")
        framework = next(filter(helpers.is_installed, ("paddle", "torch")))
        options = ("--checkpoint", tmp_path / "x.safetensors", "--data", "digits", "--progress", "lines")
        done = helpers.worker(framework, "eval", *options)
        scores.append(json.loads(done.stdout.splitlines()[-1]))
    whole, bare = scores
    assert bare["map"] == whole["map"]
    assert whole["accuracy"] is not None
    assert bare["accuracy"] is None
    assert "holds no classifier" in done.stderr
    options = ("--format", "paddle-inference" if framework == "paddle" else "onnx", "--out", tmp_path / "exported")
    refused = helpers.worker(framework, "export", "--checkpoint", tmp_path / "x.safetensors", *options, status=2)
    assert "expected a classifier" in refused.stderr


@pytest.mark.parametrize("form", FORMS)
def test_workers_open_every_form_that_holds_its_recipe(form, files, original):
    if form in WITH_MOMENTUM:
        recipe, arrays, metadata = open_checkpoint(files[form])
        assert recipe == RECIPE
        assert same(arrays, original.weights)
        assert metadata["epoch"] == 2
    else:
        with pytest.raises(UserError, match=f"python compare/convert.py {files[form]} .*safetensors --recipe paper"):
            open_checkpoint(files[form])


def test_run_folder_stands_for_its_checkpoint(files, original, tmp_path):
    with pytest.raises(UserError, match=r"received one without checkpoint\.safetensors"):
        open_checkpoint(tmp_path)
    shutil.copy(files["neutral"], tmp_path / "checkpoint.safetensors")
    assert same(open_checkpoint(tmp_path)[1], original.weights)
    assert same(read_checkpoint(tmp_path).momentum, original.momentum)


def test_recipe_of_other_sizes_is_refused(files, original, tmp_path):
    text = json.dumps(dataclasses.asdict(dataclasses.replace(RECIPE, bits=24)))
    checkpoint.save(tmp_path / "x.safetensors", dataclasses.replace(original, recipe=text))
    with pytest.raises(UserError, match=r"hash.weight: expected shape \(24, 64\), received \(12, 64\)"):
        open_checkpoint(tmp_path / "x.safetensors")


def test_inspect_needs_no_framework(files, original, tmp_path):
    for name in helpers.MODULES:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(helpers.BLOCKING.format(framework=name))
        for source in files.values():
            path = {"PYTHONPATH": f"{folder}:{helpers.PROJECT_ROOT}"}
            done = helpers.run("compare/convert.py", source, "--inspect", "--bits", "12", environment=path)
            assert convert.weights.digest(original.weights) in done.stdout
            assert "fc6.weight        64x144" in done.stdout
            assert f"{original.weights['fc6.weight'].max():>11.3g}" in done.stdout


def test_foreign_weights_with_a_recipe_are_scored_alike_in_both_frameworks(files, tmp_path):
    """What paddle_greedyhash's users have: a .pdparams under its names, and nothing else."""
    source, target = tmp_path / "bit_12.pdparams", tmp_path / "model.safetensors"
    shutil.copy(files["paddle_greedyhash"], source)
    bare = helpers.run("compare/convert.py", source, tmp_path / "bare.safetensors").stdout
    assert "recipe" not in bare
    assert "recipe" in helpers.run("compare/convert.py", source, target, "--recipe", "demo").stdout
    scores = {}
    for framework in filter(helpers.is_installed, ("torch", "paddle")):
        options = ("--checkpoint", target, "--data", "digits")
        scores[framework] = json.loads(helpers.worker(framework, "eval", *options).stdout.splitlines()[-1])
        info = json.loads(helpers.worker(framework, "info", "--checkpoint", target).stdout.splitlines()[-1])
        assert info["checkpoint"]["bits"] == 12
        assert info["checkpoint"]["recipe"]["width"] == 1 / 64
    values = [score["map"]["expected"] for score in scores.values()]
    assert values
    assert max(values) - min(values) < 1e-3
    refused = helpers.worker("paddle", "eval", "--checkpoint", tmp_path / "bare.safetensors", *options[2:], status=2)
    assert f"python compare/convert.py {tmp_path}/bare.safetensors" in refused.stderr
    assert "--recipe paper --data PATH" in refused.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recipe", "paper"], "--data: expected cifar10, as --recipe paper has it, received digits"),
        (["--recipe", "demo", "--data", "nowhere"], "nowhere"),
    ],
)
def test_recipe_and_data_must_fit(options, message, files, tmp_path):
    done = helpers.run("compare/convert.py", files["torch"], tmp_path / "x.safetensors", *options, status=2)
    assert message in done.stderr
    assert not (tmp_path / "x.safetensors").exists()


def test_duplicate_entries_are_refused(tmp_path):
    save_file({"conv1.bias": np.zeros(1, np.float32)}, tmp_path / "a.safetensors")
    header = json.loads((tmp_path / "a.safetensors").read_bytes()[8:-4])["conv1.bias"]
    text = '{"conv1.bias":%s,"conv1.bias":%s}' % ((json.dumps(header),) * 2)
    (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text.encode() + bytes(4))
    with pytest.raises(UserError, match="two entries have one name"):
        read_checkpoint(tmp_path / "a.safetensors")
