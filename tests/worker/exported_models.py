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
def models(small_suite, made_once):
    """A folder per format."""
    for worker in WORKERS.values():
        if not helpers.is_installed(worker):
            pytest.skip(f"{worker} is not installed")

    def export(out):
        for form, worker in WORKERS.items():
            source = ["--checkpoint", checkpoint(small_suite), "--format", form, "--out", out / form]
            assert f"{form}, uint8 images (N, 8, 8, 3)" in helpers.worker(worker, "export", *source).stdout

    return made_once("models", export)
