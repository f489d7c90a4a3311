"""Fixtures: exported models of a small run in every format, and pictures for them."""

import pytest
from PIL import Image

from shared.data.cifar import load
from tests import helpers

WORKERS = {"onnx": "torch", "torch-export": "torch", "paddle-inference": "paddle"}
COUNT = 37


def checkpoint(small_suite):
    return small_suite / "paddle" / "bits12-seed2000" / "checkpoint.safetensors"


@pytest.fixture(scope="session")
def digit_files(tmp_path_factory):
    """37 pictures of digits; one is larger."""
    folder = tmp_path_factory.mktemp("digits")
    pixels = load("digits").pixels[:COUNT]
    for i, image in enumerate(pixels):
        picture = Image.fromarray(image)
        (picture.resize((50, 90)) if i == 3 else picture).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(COUNT)]


@pytest.fixture(scope="session")
def models(small_suite, tmp_path_factory):
    """A folder per format."""
    out = tmp_path_factory.mktemp("models")
    for form, worker in WORKERS.items():
        if not helpers.is_installed(worker):
            pytest.skip(f"{worker} is not installed")
        source = ["--checkpoint", checkpoint(small_suite), "--format", form, "--out", out / form]
        assert f"{form}, uint8 images (N, 8, 8, 3)" in helpers.worker(worker, "export", *source).stdout
    return out
