"""What all workers share, seen through the one that needs no framework: who may train, and images of any size."""

import dataclasses
import json
import sys
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from shared.checkpoint import checkpoint, weights
from shared.checkpoint.checkpoint import Checkpoint
from shared.data import cifar
from shared.network.initial import initial_weights
from shared.system.files import folder_lock
from shared.training.runs import Run
from shared.worker import cli
from tests import helpers
from tests.children import numpy_worker

NAMES = tuple(f"kind {letter}" for letter in "abcdefghij")
COUNT, HEIGHT, WIDTH = 1797, 5, 9


def numpy_verb(*arguments):
    """Run a verb in this process; its exit status."""
    command = mock.patch.object(sys, "argv", ["worker", *map(str, arguments)])
    with mock.patch.dict("os.environ"), command, pytest.raises(SystemExit) as ended:
        cli.run_worker("tests.children.numpy_worker", "NumPy", numpy_worker.load)
    return ended.value.code


def test_a_run_that_another_process_trains_is_left_alone(tmp_path, monkeypatch, capsys):
    recipe, run, initial = helpers.small_recipe(epochs=1), Run(tmp_path / "run"), tmp_path / "initial.safetensors"
    run.prepare(recipe)
    weights.save(initial, initial_weights(recipe, {}), {})
    monkeypatch.setattr(cli, "_WAIT_FOR_ORPHAN_SECONDS", 0.2)
    arguments = ("train", "--run", run.folder, "--data", "digits", "--initial-weights", initial)
    with folder_lock(run.folder):
        assert numpy_verb(*arguments) == 2
        assert "is in use by another process" in capsys.readouterr().err
        assert not run.log()
        assert not run.environment_file.exists()
    assert numpy_verb(*arguments) == 0
    assert run.is_finished()


@pytest.fixture
def own(tmp_path):
    """Images of one's own, wider than high, and a checkpoint of them: pixels, labels, weights."""
    pixels = np.random.RandomState(0).randint(0, 256, (COUNT, HEIGHT, WIDTH, 3), dtype=np.uint8)
    labels = np.arange(COUNT) % 10
    arrays = {"x_train": pixels[:1000], "y_train": labels[:1000], "x_test": pixels[1000:], "y_test": labels[1000:]}
    np.savez(tmp_path / "own.npz", **arrays)
    images = cifar.load(str(tmp_path / "own.npz"))
    split = cifar.split(images.labels, "digits-1", 2000)
    changes = {"dataset": "custom", "class_names": NAMES, "data_sha256": images.digest()}
    recipe = dataclasses.replace(helpers.small_recipe(), **changes, split_sha256=split.digest())
    model = Checkpoint(initial_weights(recipe, {}), recipe=json.dumps(dataclasses.asdict(recipe)), framework="numpy")
    checkpoint.save(tmp_path / "own.safetensors", model)
    return pixels, labels, model.weights


def expected(pixels, arrays):
    """Code and class of each image, as the records say them."""
    inputs = (pixels.mean(axis=3).reshape(len(pixels), -1) / 127.5 - 1).astype(np.float32)
    hash_logits, logits = numpy_worker.Network(arrays).outputs(inputs)
    codes = ["".join("1" if value > 0 else "0" for value in row) for row in hash_logits]
    return list(zip(codes, [NAMES[label] for label in logits.argmax(axis=1)], strict=True))


def predicted(tmp_path, capsys, *arguments, status=0):
    """The records, or what was said on stderr where another status is expected."""
    assert numpy_verb("predict", "--checkpoint", tmp_path / "own.safetensors", *arguments, "--json") == status
    output = capsys.readouterr()
    return output.err if status else [json.loads(line) for line in output.out.splitlines()]


def test_images_of_ones_own_are_predicted_by_number(own, tmp_path, capsys):
    pixels, labels, arrays = own
    numbers = [0, 7, 1500]
    records = predicted(tmp_path, capsys, "--data", tmp_path / "own.npz", "--index", *numbers)
    assert [(record["bits"], record["class"]) for record in records] == expected(pixels[numbers], arrays)
    assert [record["true"] for record in records] == [NAMES[labels[number]] for number in numbers]
    assert [record["image"] for record in records] == [f"custom[{number}]" for number in numbers]


def test_pictures_are_brought_to_the_size_of_ones_own_images(own, tmp_path, capsys):
    pixels, _, arrays = own
    Image.fromarray(pixels[3]).save(tmp_path / "same.png")
    Image.fromarray(pixels[4].repeat(4, axis=0).repeat(4, axis=1)).save(tmp_path / "larger.png")
    larger = np.asarray(Image.open(tmp_path / "larger.png").resize((WIDTH, HEIGHT), Image.BILINEAR))
    files = (tmp_path / "same.png", tmp_path / "larger.png")
    records = predicted(tmp_path, capsys, "--data", tmp_path / "own.npz", "--image", *files)
    assert [(record["bits"], record["class"]) for record in records] == expected(np.stack([pixels[3], larger]), arrays)


def test_predict_asks_for_the_images_it_cannot_know(own, tmp_path, capsys):
    Image.fromarray(own[0][0]).save(tmp_path / "a.png")
    told = predicted(tmp_path, capsys, "--image", tmp_path / "a.png", status=2)
    assert told == "error: expected --data, since a checkpoint of custom data does not say their size\n"
    told = predicted(tmp_path, capsys, "--index", 0, status=2)
    assert told == "error: --index: expected --data with the images it counts, received none\n"
