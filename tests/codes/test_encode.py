"""Encoding: the worker's fast encoders beside the networks they stand for, and what happens when memory runs out."""

import json

import numpy as np
import pytest

from shared.codes.encoding import BATCH_SIZE, encode_in_batches
from tests import helpers
from tests.fakes import KeptProgress


def encoder_with_room_for(count, sizes):
    def encode(index, parts):
        for batch in (index[part] for part in parts):
            sizes.append(len(batch))
            if len(batch) > count:
                raise MemoryError("no room")
            yield np.stack([batch, -batch], axis=1).astype(np.float32), np.eye(10, dtype=np.float32)[batch % 10]

    return encode


def test_what_cannot_be_written_is_told_before_the_work(tmp_path):
    arguments = ["encode", "--data", "digits", "--checkpoint", tmp_path / "none.pt", "--out", tmp_path]
    assert "expected a file to write, received a folder" in helpers.worker("torch", *arguments, status=2).stderr


def ran_out(error):
    return isinstance(error, MemoryError)


@pytest.mark.parametrize("count", [1, 300])
def test_all_images_are_encoded_in_order(count):
    index, sizes, progress = np.arange(count)[::-1], [], KeptProgress()
    hash_logits, predicted = encode_in_batches(encoder_with_room_for(1000, sizes), index, progress, ran_out)
    assert np.array_equal(hash_logits, np.stack([index, -index], axis=1))
    assert np.array_equal(predicted, index % 10)
    assert max(sizes) <= BATCH_SIZE
    assert progress.updates[-1][:3] == ("encode", count, count)
    assert not progress.notes


def test_batches_shrink_for_good_when_memory_runs_out():
    index, sizes, progress = np.arange(300), [], KeptProgress()
    hash_logits, _ = encode_in_batches(encoder_with_room_for(40, sizes), index, progress, ran_out)
    assert np.array_equal(hash_logits[:, 0], index)
    assert sizes[:3] == [128, 64, 32]
    assert max(sizes[2:]) == 32
    assert [note.split("goes on with ")[1] for note in progress.notes] == [
        "64 images at once instead of 128",
        "32 images at once instead of 64",
    ]


def test_an_image_that_does_not_fit_alone_and_other_failures_are_raised():
    with pytest.raises(MemoryError, match="no room"):
        encode_in_batches(encoder_with_room_for(0, []), np.arange(9), KeptProgress(), ran_out)
    progress = KeptProgress()
    with pytest.raises(MemoryError, match="no room"):
        encode_in_batches(encoder_with_room_for(5, []), np.arange(9), progress, lambda _: False)
    assert not progress.notes


def test_encoder_agrees_with_the_network_layer_by_layer(framework):
    done = helpers.child(framework, "encoders", framework, 40, environment={"OMP_NUM_THREADS": 2})
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["scale"] > 0
    assert answer["difference"] < 1e-5 * answer["scale"]  # another order of summation, nothing more
    assert all(margin <= answer["difference"] for margin in answer["flipped"])
    assert answer["predicted"]
    assert answer["dtypes"] == ["float32", "int64"]
    assert answer["training"]
    assert answer["threads"] == 2  # what trains next has both again
    assert len(answer["notes"]) == 2  # 128 and 64 were too many


def test_untuned_encoder_is_the_network_itself(framework):
    answer = helpers.child(framework, "encoders", framework, 0, environment={"GREEDYHASH_UNTUNED": 1})
    assert json.loads(answer.stdout.splitlines()[-1])["difference"] < 1e-6  # batches of another size
