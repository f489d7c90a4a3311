"""Initial weights are fixed and well scaled; neutral files round-trip; wrong weights files are refused."""

import dataclasses
import math

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared.checkpoint import weights
from shared.checkpoint.backbone import load_backbone
from shared.config.recipe import PRESETS
from shared.network.alexnet import RELU_LAYERS, parameters
from shared.network.initial import initial_weights
from shared.system.errors import UserError

DEMO = dataclasses.replace(PRESETS["demo"], bits=12)
TORCHVISION = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
}


def backbone(layers, renamed=True, recipe=DEMO):
    generator = np.random.RandomState(0)
    return {
        f"{TORCHVISION[layer] if renamed else layer}.{what}": generator.rand(*shape).astype(np.float32)
        for name, shape, _ in parameters(recipe)
        for layer, what in [name.split(".")]
        if layer in layers
    }


def saved(arrays, tmp_path):
    save_file(arrays, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_initial_weights_never_change():
    assert (
        weights.digest(initial_weights(DEMO, {})) == "b00d0b09acb964106de13e58bbf1cd02e3b9dd5b317780739c9499ee29ea32fe"
    )


def test_layers_but_the_last_two_do_not_depend_on_the_bits():
    short, long = (initial_weights(dataclasses.replace(DEMO, bits=bits), {}) for bits in (12, 48))
    assert all(np.array_equal(short[name], long[name]) for name in short if name.split(".")[0] in RELU_LAYERS)


@pytest.mark.parametrize("draw", [1, 2, 2**31 - 1])
def test_one_weight_is_changed_by_one_unit_in_its_last_place(draw):
    whole = initial_weights(DEMO, {})
    changed = initial_weights(dataclasses.replace(DEMO, last_place=draw), {})
    ((name, place),) = ((n, at) for n in whole for at in np.flatnonzero(whole[n] != changed[n]))
    assert name.endswith(".weight")
    before, after = (arrays[name].view(np.int32).flat[place] for arrays in (whole, changed))
    assert abs(after - before) == 1


def test_another_draw_changes_another_weight():
    drawn = {
        weights.digest(initial_weights(dataclasses.replace(DEMO, last_place=n, seed=s), {}))
        for n, s in ((1, 0), (2, 0), (1, 1), (2, 1))
    }
    assert len(drawn) == 4


@pytest.mark.parametrize("parameter", parameters(DEMO), ids=lambda parameter: parameter.name)
def test_distribution_of_initial_weights(parameter):
    values = initial_weights(DEMO, {})[parameter.name]
    layer, what = parameter.name.split(".")
    fan_in = math.prod({p.name: p.shape for p in parameters(DEMO)}[f"{layer}.weight"][1:])
    bound = {"conv": math.sqrt(6 / fan_in), "fc": math.sqrt(3 / fan_in)}.get(layer[:-1], 1 / math.sqrt(fan_in))
    assert values.dtype == np.float32
    if what == "bias" and layer in RELU_LAYERS:
        assert not values.any()
        return
    assert np.abs(values).max() <= np.float32(bound)
    assert np.abs(values).max() > bound * (1 - 12 / values.size)
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=4 / math.sqrt(values.size))


def test_neutral_file_round_trip(tmp_path):
    arrays = initial_weights(DEMO, {})
    weights.save(tmp_path / "a.safetensors", arrays, {"epoch": 3})
    loaded, metadata = weights.load_exactly(tmp_path / "a.safetensors", DEMO)
    assert metadata == {"epoch": 3}
    assert list(loaded) == [p.name for p in parameters(DEMO)]
    assert all(loaded[name].tobytes() == arrays[name].tobytes() for name in arrays)


@pytest.mark.parametrize("layers", [RELU_LAYERS, RELU_LAYERS[:5]])
@pytest.mark.parametrize("renamed", [True, False])
def test_backbone_file_under_either_names(tmp_path, layers, renamed):
    arrays = load_backbone(saved(backbone(layers, renamed), tmp_path), DEMO)
    assert weights.layers_of(arrays) == layers
    start = initial_weights(DEMO, arrays)
    plain = initial_weights(DEMO, {})
    for name in start:
        source = arrays if name.split(".")[0] in layers else plain
        assert np.array_equal(start[name], source[name])


def test_imagenet_classifier_is_dropped(tmp_path):
    arrays = backbone(RELU_LAYERS) | {"classifier.6.weight": np.zeros((1000, 512), np.float32)}
    assert weights.layers_of(load_backbone(saved(arrays, tmp_path), DEMO)) == RELU_LAYERS


@pytest.mark.parametrize("changes", [{"hidden_units": 1024}, {"pooled_px": 2}])
def test_the_published_head_is_left_out_where_the_network_has_another(changes, tmp_path):
    path = saved(backbone(RELU_LAYERS), tmp_path)
    assert weights.layers_of(load_backbone(path, dataclasses.replace(DEMO, **changes))) == RELU_LAYERS[:5]


def test_a_head_that_fits_the_network_is_taken(tmp_path):
    recipe = dataclasses.replace(DEMO, hidden_units=1024, pooled_px=2)
    arrays = load_backbone(saved(backbone(RELU_LAYERS, recipe=recipe), tmp_path), recipe)
    assert weights.layers_of(arrays) == RELU_LAYERS
    assert arrays["fc6.weight"].shape == (128, 32 * 4)


def test_a_head_that_fits_neither_network_is_refused(tmp_path):
    path = saved(backbone(RELU_LAYERS, recipe=dataclasses.replace(DEMO, pooled_px=3)), tmp_path)
    with pytest.raises(UserError, match=r"fc6.weight: expected shape \(512, 128\), received \(512, 288\)"):
        load_backbone(path, dataclasses.replace(DEMO, pooled_px=2))


def without(name):
    return lambda arrays: arrays.pop(name)


def with_(name, value):
    return lambda arrays: arrays.update({name: value})


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (without("features.3.bias"), r"missing \['conv2.bias'\]"),
        (without("classifier.4.weight"), r"missing \['fc7.weight'\]"),
        (with_("features.99.weight", np.zeros(1, np.float32)), r"not expected \['features.99.weight'\]"),
        (with_("features.0.bias", np.zeros(9, np.float32)), r"conv1.bias: expected shape \(8,\), received \(9,\)"),
        (with_("features.0.bias", np.full(8, np.nan, np.float32)), "features.0.bias: expected finite"),
        (with_("features.0.bias", np.full(8, 0.1)), "features.0.bias: expected float32, received float64"),
    ],
)
def test_wrong_weights_files(tmp_path, corrupt, message):
    arrays = backbone(RELU_LAYERS)
    corrupt(arrays)
    with pytest.raises(UserError, match=message):
        load_backbone(saved(arrays, tmp_path), DEMO)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x10\x00\x00\x00\x00\x00\x00\x00{broken json"])
def test_damaged_weights_files(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="expected a safetensors file"):
        weights.load(tmp_path / "w.safetensors")
