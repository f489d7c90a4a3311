"""What a run's log and result say, beside NumPy: what took how long, how far weights moved, what the codes are."""

import time

import numpy as np
import pytest

from shared.checkpoint.checkpoint import Checkpoint
from shared.codes.codes import encoded_index
from shared.config.randomness import batch_order, dropout_mask
from shared.data import cifar
from shared.network.initial import initial_weights
from shared.system.progress import Progress
from shared.training.job import Job
from shared.training.runs import Run
from tests import helpers

RECIPE = helpers.small_recipe(epochs=3, eval_every=1, width=1 / 64)
FACTS = {"framework": "torch", "device_name": "a device", "packages": {}}
ZEROS = 7


@pytest.fixture
def clock(monkeypatch):
    """The seconds that passed, for the test to move on."""
    seconds = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    return seconds


def job_in(folder):
    run = Run(folder)
    run.prepare(RECIPE)
    images = cifar.load(cifar.DIGITS)
    split = cifar.split(images.labels, RECIPE.protocol, RECIPE.seed)
    return Job(run, RECIPE, images, split, initial_weights(RECIPE, {}), "cpu", FACTS, Progress())


def hash_logits_of(job, epoch):
    """Noise, but for the second epoch: then a class has one code of its own."""
    labels = job.dataset.labels[encoded_index(job.split)]
    codes_of_class = np.random.RandomState(9).choice([-1.0, 1.0], (10, RECIPE.bits))
    noise = np.random.RandomState(epoch).standard_normal((len(labels), RECIPE.bits))
    hash_logits = (codes_of_class[labels] if epoch == 2 else noise).astype(np.float32)
    hash_logits.flat[:ZEROS] = 0
    return hash_logits


def trained(job, clock):
    """Train as a framework does, with numbers made here; the hash logits and classes of the last epoch."""

    def encode_images(index):
        clock[0] += 2.5 * epoch
        return hash_logits, predicted

    for epoch in (1, 2, 3):
        hash_logits = hash_logits_of(job, epoch)
        predicted = np.random.RandomState(epoch).randint(0, 10, len(hash_logits))
        encoded = job.encode(encode_images)
        job.finish_epoch(epoch, 1e-3, [1.0, 1.0, 1.0], 4.0 * epoch, encoded, None)
    moved = {name: array + np.float32(0.01) * (array + 1) for name, array in job.initial_weights.items()}
    job.finish(encoded, Checkpoint(moved, epoch=3, learning_rate=1e-3))
    return hash_logits, predicted, moved


def test_result_says_what_was_measured(tmp_path, clock):
    job = job_in(tmp_path)
    hash_logits, predicted, moved = trained(job, clock)
    log, result, queries = job.run.log(), job.run.result(), len(job.split.query)
    assert [record["encode_seconds"] for record in log] == [2.5, 5.0, 7.5]
    assert result["encode_seconds"] == 7.5
    assert result["train_seconds"] == 4.0 + 8.0 + 12.0
    assert result["images_per_second"] == pytest.approx(3 * len(job.split.train) / 24.0)
    assert result["zeros"] == ZEROS
    assert result["distinct_codes"] == len(np.unique(hash_logits > 0, axis=0))
    labels = job.dataset.labels[encoded_index(job.split)]
    assert result["accuracy"] == (predicted == labels)[:queries].mean()
    before, after = (
        np.concatenate([arrays[name].ravel().astype(np.float64) for name in sorted(moved)])
        for arrays in (job.initial_weights, moved)
    )
    change = np.linalg.norm(after - before) / np.linalg.norm(before)
    assert result["weights_moved"] == pytest.approx(change, rel=1e-6)
    assert change > 0.01


def test_the_best_epoch_need_not_be_the_last(tmp_path, clock):
    job = job_in(tmp_path)
    trained(job, clock)
    maps = [record["map"] for record in job.run.log()]
    result = job.run.result()
    assert result["best_epoch"] == 2
    assert result["map_best"] == maps[1]
    assert result["map_last"] == maps[2]
    assert maps[1]["expected"] > 0.9
    assert max(maps[0]["expected"], maps[2]["expected"]) < 0.5


def test_a_batch_has_the_images_and_masks_of_its_step(tmp_path):
    """Steps count from 0 through all epochs, so a run that goes on after any of them draws the same masks."""
    job, size = job_in(tmp_path), RECIPE.batch_size
    epochs = [job.epoch(epoch) for epoch in (1, 2)]
    batches = [batch for epoch in epochs for batch in epoch.batches]
    steps = job.steps_per_epoch
    assert [batch.step for batch in batches] == list(range(2 * steps))
    for position in (0, 1, steps - 1, steps, 2 * steps - 1):
        batch, epoch = batches[position], 1 + position // steps
        order = job.split.train[batch_order(RECIPE.seed, epoch, len(job.split.train))]
        index, masks = helpers.batch_arrays(epochs[epoch - 1], batch)
        assert np.array_equal(index, order[position % steps * size :][:size])
        for layer, mask in enumerate(masks):
            assert np.array_equal(mask, dropout_mask(RECIPE.seed, position, layer, mask.shape))
