"""The published network at 224 px, on real images: the same bits in both frameworks, and those that are stored."""

import json

import pytest

from tests import helpers
from tests.conftest import REAL_DATA
from tests.kernels.trajectory import STEPS, STORED, environment, hashes


@pytest.fixture(scope="module")
def found(real_images, tmp_path_factory):
    for framework in helpers.MODULES:
        if not helpers.is_installed(framework):
            pytest.skip(f"{framework} is not installed, and two frameworks are compared")
    convolutions = REAL_DATA / "alexnet_imagenet_features.safetensors"
    return hashes(real_images / "cifar10.npz", convolutions, tmp_path_factory.mktemp("published"))


@pytest.mark.slow
def test_a_hundred_steps_have_the_same_bits_in_both_frameworks(found):
    torch, paddle = found.values()
    assert len(set(torch)) == STEPS
    assert torch == paddle


@pytest.mark.slow
def test_they_are_those_that_are_stored(found):
    stored = json.loads(STORED.read_text())
    if environment() != stored["environment"]:
        pytest.skip(f"stored for {stored['environment']}, and products may round otherwise in {environment()}")
    assert found["torch"] == stored["sha256"]


def test_the_stored_steps_differ_from_each_other():
    assert len(set(json.loads(STORED.read_text())["sha256"])) == STEPS
