"""Upsampled pixels are the very integers Pillow gives: in NumPy, and on the device of each framework."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.data import cifar, pixels
from shared.system.errors import UserError
from tests import helpers


def pillow(images, target):
    resized = [np.asarray(Image.fromarray(image).resize((target, target), Image.BILINEAR)) for image in images]
    return np.stack(resized).transpose(0, 3, 1, 2)


@settings(max_examples=60, deadline=None)
@given(source=st.integers(2, 40), growth=st.integers(0, 200), seed=st.integers(0, 2**32 - 1))
def test_numpy_equals_pillow(source, growth, seed):
    images = np.random.RandomState(seed).randint(0, 256, size=(3, source, source, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels.upsample(images, source + growth), pillow(images, source + growth))


def test_matrix_is_exact_and_keeps_brightness():
    matrix = pixels.matrix(32, 224)
    assert np.array_equal(matrix * 2**22, np.rint(matrix * 2**22))
    assert np.abs(matrix.sum(axis=1) - 1).max() < 1e-6


def test_shrinking_is_refused():
    with pytest.raises(UserError, match="at least the image size 32"):
        pixels.matrix(32, 31)


def test_normalised_agrees_with_the_definition():
    image = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(3, axis=1)
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (pixels.IMAGENET_MEAN, pixels.IMAGENET_STD))
    np.testing.assert_allclose(pixels.normalise(image), (image / 255 - mean) / std, rtol=0, atol=5e-7)


def check_device(framework, images, target, tmp_path):
    np.savez(tmp_path / "in.npz", pixels=images, input_px=target)
    helpers.child(framework, "device_pixels", framework, tmp_path / "in.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as out:
        expected = pillow(images, target)
        np.testing.assert_array_equal(out["upsampled"], expected)
        np.testing.assert_array_equal(out["normalised"], pixels.normalise(expected))


def test_device_equals_pillow_on_digits(framework, tmp_path):
    check_device(framework, cifar.load("digits").pixels[::30], 64, tmp_path)


def test_device_equals_pillow_on_noise(framework, tmp_path):
    check_device(framework, np.random.RandomState(3).randint(0, 256, (64, 32, 32, 3)).astype(np.uint8), 224, tmp_path)


def test_device_equals_pillow_on_real_images(framework, real_images, tmp_path):
    check_device(framework, cifar.load(real_images / "cifar10.npz").pixels[::400], 224, tmp_path)
