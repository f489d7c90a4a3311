"""torchvision's AlexNet arrives in the neutral form; only the download itself is not tried here."""

import dataclasses

import numpy as np

from shared.checkpoint import weights
from shared.checkpoint.backbone import load_backbone
from shared.config.recipe import PRESETS
from shared.network.alexnet import RELU_LAYERS, parameters
from shared.network.initial import initial_weights
from tests import helpers


def test_torchvision_weights_become_neutral(tmp_path):
    helpers.child("torch", "fake_alexnet", tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth")
    environment = helpers.OFFLINE | {"TORCH_HOME": tmp_path}
    helpers.run("-m", "torch_impl.torchvision_weights", tmp_path / "neutral.safetensors", environment=environment)
    arrays = load_backbone(tmp_path / "neutral.safetensors", PRESETS["paper"])
    assert weights.layers_of(arrays) == RELU_LAYERS
    shapes = {p.name: p.shape for p in parameters(PRESETS["paper"])}
    assert all(array.shape == shapes[name] for name, array in arrays.items())
    start = initial_weights(dataclasses.replace(PRESETS["paper"], backbone_layers=RELU_LAYERS), arrays)
    assert all(np.array_equal(start[name], arrays[name]) for name in arrays)
