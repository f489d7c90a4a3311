"""Shared random numbers: fixed for ever, independent of each other, and fair."""

import hashlib

import numpy as np
import pytest

from shared.config.randomness import batch_order, dropout_mask, native_seed


def test_streams_never_change():
    order = batch_order(2000, 1, 5000)
    mask = dropout_mask(2000, 0, 0, (32, 9216))
    digest = hashlib.sha256(order.astype("<i8").tobytes() + mask.tobytes()).hexdigest()
    assert digest == "9709e46c1cec88234b0aa1228fe9033386e75f0625777bf96953d97256e1ec91"


@pytest.mark.parametrize(
    ("step", "layer", "digest"),
    [
        (1, 0, "e171846722910d1a7864e091ae47b06ad7dbafb21db55cfaf85ed373a7b5ee28"),
        (1, 1, "ea25291cf63c35547a637c899f4c2d27d50e0801fe77b8b8d7a6c54b22ff1892"),
        (785, 0, "31d36ef7f415b609d8714b5dd9ce3d4513acee87333ea6a65720124b0f4854db"),
    ],
)
def test_masks_of_later_steps_never_change(step, layer, digest):
    assert hashlib.sha256(dropout_mask(2000, step, layer, (32, 512)).tobytes()).hexdigest() == digest


def test_steps_of_one_layer_share_no_part_of_their_streams():
    """Each step begins where no other can come to, however many units a layer has."""
    masks = [dropout_mask(1, step, 0, (64, 64)).reshape(-1, 64) for step in range(8)]
    words = np.concatenate([np.packbits(mask, axis=1, bitorder="little").view(np.uint64) for mask in masks])
    assert len(np.unique(words)) == words.size


def test_order_visits_every_image_once_and_differs_by_epoch_and_seed():
    first = batch_order(1, 1, 100)
    assert sorted(first) == list(range(100))
    assert not np.array_equal(first, batch_order(1, 2, 100))
    assert not np.array_equal(first, batch_order(2, 1, 100))


def test_masks_keep_half_and_differ_by_step_layer_and_seed():
    masks = [dropout_mask(*key, (32, 4096)) for key in ((1, 0, 0), (1, 1, 0), (1, 0, 1), (2, 0, 0))]
    for mask in masks:
        assert set(np.unique(mask)) == {0, 1}
        assert abs(mask.mean() - 0.5) < 4 * 0.5 / np.sqrt(mask.size)
    for other in masks[1:]:
        assert abs((masks[0] == other).mean() - 0.5) < 4 * 0.5 / np.sqrt(masks[0].size)


def test_small_last_batch_has_a_mask():
    assert dropout_mask(1, 7, 0, (3, 5)).shape == (3, 5)


def test_native_seeds_differ_by_epoch():
    assert len({native_seed(2000, epoch) for epoch in range(1, 51)}) == 50
