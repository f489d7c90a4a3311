"""The recipe: protocol defaults, learning-rate drop, evaluation epochs, digest, and refusal of nonsense."""

import dataclasses
import re

import pytest

from shared.config.recipe import BASE_SEED, LATER_FIELDS, PRESETS, SEEDED, Recipe, recipe_from_dict, recipe_from_text
from shared.network.alexnet import hidden_units, parameters, pooled_units, recognised_sizes, sizes_of
from shared.system.errors import UserError


def test_paper_preset_is_the_published_protocol():
    recipe = PRESETS["paper"]
    assert (recipe.epochs, recipe.batch_size, recipe.momentum, recipe.weight_decay) == (50, 32, 0.9, 5e-4)
    assert (recipe.penalty_weight, recipe.input_px, recipe.width, recipe.protocol) == (0.1, 224, 1.0, "cifar10-1")
    assert [recipe.learning_rate_at(epoch) for epoch in (1, 30)] == [1e-3, 1e-3]
    assert [recipe.learning_rate_at(epoch) for epoch in (31, 50)] == pytest.approx([1e-4, 1e-4])


def test_small_preset_is_the_published_protocol_but_for_its_sizes_and_its_schedule():
    small, paper = PRESETS["small"], PRESETS["paper"]
    others = {
        field.name for field in dataclasses.fields(Recipe) if getattr(small, field.name) != getattr(paper, field.name)
    }
    assert others == {
        *("preset", "input_px", "hidden_units", "pooled_px"),
        *("epochs", "eval_every", "learning_rate", "lr_drop_epoch"),
    }
    rates = [small.learning_rate_at(epoch + 1) for epoch in range(small.epochs)]
    assert rates == [4e-3] * 8 + [4e-3 * 0.1] * 4
    assert (small.input_px, pooled_units(small), hidden_units(small)) == (96, 256 * 2 * 2, 1024)
    side = 96
    for kernel, stride, padding in ((11, 4, 2), (3, 2, 0), (3, 2, 0), (3, 2, 0)):  # conv1 and the three pools
        side = (side + 2 * padding - kernel) // stride + 1
    assert side == small.pooled_px  # nothing is left to average, so the backward pass is deterministic on a GPU too


def test_the_rate_is_that_of_the_published_code_in_every_epoch():
    recipe = dataclasses.replace(PRESETS["paper"], epochs=150)
    # as they write it, with epochs counted from 0
    assert [recipe.learning_rate_at(epoch + 1) for epoch in range(150)] == [
        1e-3 * 0.1 ** (epoch // 30) for epoch in range(150)
    ]


@pytest.mark.parametrize(
    ("recipe", "digest"),
    [
        (PRESETS["paper"], "1013def32c909e4fd83899422799166670d194c666a9fe5b1454a8fb6bdc7e6d"),
        (PRESETS["demo"], "e7d8c7e5bab255721599dc61646aeaaa51ad8bf272329ce8406d3bd258a7647d"),
        (
            dataclasses.replace(PRESETS["paper"], epochs=60),
            "837e452b1de78595b78c1ee11b1d3670121936414146d1dc3a9af590ba988170",
        ),
    ],
)
def test_digests_are_those_before_a_field_came_and_before_the_rate_dropped_twice(recipe, digest):
    assert recipe.digest() == digest


def test_a_schedule_that_was_another_has_another_digest():
    before = "279bcca36e3e66e2610649edaa4af949c9d96d0ca47486b4f60bd47f3e2d15d5"  # with one drop in 61 epochs
    assert dataclasses.replace(PRESETS["paper"], epochs=61).digest() != before


def test_alexnet_has_its_published_size():
    shapes = {p.name: p.shape for p in parameters(PRESETS["paper"])}
    assert shapes["conv1.weight"] == (64, 3, 11, 11)
    assert shapes["fc6.weight"] == (4096, 9216)
    assert shapes["fc7.weight"] == (4096, 4096)
    assert shapes["classifier.weight"] == (10, 48)
    assert "classifier.bias" not in shapes


def test_hidden_units_and_pooled_pixels_size_the_linear_layers():
    recipe = Recipe(preset="x", bits=12, width=1 / 2, hidden_units=1000, pooled_px=3)
    shapes = {p.name: p.shape for p in parameters(recipe)}
    assert shapes["conv5.weight"] == (128, 128, 3, 3)
    assert shapes["fc6.weight"] == (500, 128 * 3 * 3) == (hidden_units(recipe), pooled_units(recipe))
    assert (shapes["fc7.weight"], shapes["fc7.bias"], shapes["hash.weight"]) == ((500, 500), (500,), (12, 500))


@pytest.mark.parametrize("width", [1 / 64, 1 / 8, 1.0, 3.0])
@pytest.mark.parametrize(("hidden", "pooled"), [(4096, 6), (1024, 2), (4096, 1), (192, 6), (4032, 5)])
def test_sizes_are_recognised_from_the_layers(width, hidden, pooled):
    recipe = Recipe(preset="x", width=width, hidden_units=hidden, pooled_px=pooled)
    shapes = {p.name: p.shape for p in parameters(recipe)}
    channels = [shapes[f"conv{n}.bias"][0] for n in range(1, 6)]
    assert recognised_sizes(channels, *shapes["fc6.weight"]) == sizes_of(recipe) == (width, hidden, pooled)


def test_sizes_of_no_alexnet_are_not_recognised():
    published = [64, 192, 384, 256, 256]
    assert recognised_sizes(published, 4096, 9216) == (1.0, 4096, 6)
    assert recognised_sizes([19, 58, 115, 77, 77], 1229, 77 * 36)[1:] == (4096, 6)  # a width of 0.3, rounded
    assert recognised_sizes([64, 192, 384, 256, 255], 1024, 1024) is None
    assert recognised_sizes([128, 384, 768, 512, 512], 1025, 2048) is None  # no number of units at width 2
    assert recognised_sizes(published, 0, 0) is None
    assert recognised_sizes([0] * 5, 1024, 1024) is None


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (0, [5]), (9, [5])])
def test_the_last_epoch_is_always_scored(every, expected):
    recipe = Recipe(preset="x", epochs=5, eval_every=every)
    assert [epoch for epoch in range(1, 6) if recipe.evaluates(epoch)] == expected


def test_what_is_not_seeded_stays_as_the_base_seed_has_it():
    recipe = Recipe(preset="x", seed=7, seeded=("split", "dropout"))
    assert [recipe.seed_of(part) for part in SEEDED] == [7, BASE_SEED, BASE_SEED, 7]


def test_digest_sees_every_field():
    base = Recipe(preset="x", epochs=5, dataset="custom")
    by_type = {str: "other", int: 77, float: 0.25, tuple[str, ...]: ("conv1",)}
    by_name = {"dropout": "native", "precision": "bf16", "seeded": ("order",), "class_names": tuple("abcdefghij")}
    by_name |= {"kernels": "shared", "dataset": "cifar10", "protocol": "listed", "pooled_px": 2, "database": "rest"}
    by_name |= {"optimizer": "adamw"}
    changes = {f.name: {f.name: by_name.get(f.name, by_type[f.type])} for f in dataclasses.fields(Recipe)}
    changes["listed_train"] |= {"protocol": "listed"}
    changed = {dataclasses.replace(base, **change).digest() for change in changes.values()}
    assert len(changed | {base.digest()}) == len(dataclasses.fields(Recipe)) + 1


def test_settings_that_the_protocol_has_anyway_change_nothing():
    own = Recipe(preset="x", queries_per_class=100, train_per_class=500, database="all")
    assert own == Recipe(preset="x")
    other = Recipe(preset="x", queries_per_class=10, database="rest", num_classes=10)
    assert other.rule == ("x", 10, 500, "rest")[1:]
    assert (other.num_train, dataclasses.replace(other, train_per_class=7).num_train) == (5000, 70)


def test_recipes_without_the_later_fields_are_read_as_they_were():
    values = dataclasses.asdict(PRESETS["cpu"])
    older = {name: value for name, value in values.items() if name not in LATER_FIELDS}
    read = recipe_from_dict(older, "here")
    assert (read, read.num_classes, read.measure) == (PRESETS["cpu"], 10, "mAP")
    assert read.digest() == PRESETS["cpu"].digest()


def test_round_trip_through_json_types():
    recipe = dataclasses.replace(PRESETS["demo"], backbone_layers=("conv1",), seeded=("split", "order"))
    values = dataclasses.asdict(recipe) | {"backbone_layers": ["conv1"], "seeded": ["split", "order"]}
    assert recipe_from_dict(values, "here") == recipe


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("bits", 0, "bits: expected 1 to 4096, received 0"),
        ("epochs", 0, "epochs: expected 1 to"),
        ("seed", -1, "seed: expected 0 to 4294967295"),
        ("bits", "12", "bits: expected a whole number, received '12'"),
        ("bits", True, "bits: expected a whole number, received 'True'"),
        ("input_px", 32, "input_px: expected 63 to 2048, received 32"),
        ("hidden_units", 0, "hidden_units: expected 1 to 65536, received 0"),
        ("hidden_units", 1020, "hidden_units: expected a number that width 0.125 makes whole, received 1020"),
        ("pooled_px", 0, "pooled_px: expected 1 to 63, received 0"),
        ("pooled_px", 64, "pooled_px: expected 1 to 63, received 64"),
        ("eval_every", -1, "eval_every"),
        ("dropout", "none", "shared or native"),
        ("seeded", (), "seeded: expected some of split, weights, order, dropout"),
        ("seeded", ("order", "split"), "in this order"),
        ("seeded", ("seed",), "expected some of"),
        ("num_classes", 1, "num_classes: expected 2 to 65536, received 1"),
        ("num_classes", 100, "num_classes: expected 10, as digits has, received 100"),
        ("class_names", ("one",), "class_names: expected 10 names, received 1"),
        ("database", "some", "database: expected rest or all or train, received 'some'"),
        ("topk", -1, "topk: expected 0 to"),
        ("store_px", 65, "store_px: expected at most the network's input, 64, .* received 65"),
        ("listed_train", 5, "listed_train: expected 0 without the protocol listed"),
    ],
)
def test_nonsense_is_refused(field, value, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(PRESETS["demo"], **{field: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e308, True, None, "x"])
@pytest.mark.parametrize(
    "field", ["learning_rate", "momentum", "weight_decay", "penalty_weight", "lr_drop_factor", "width", "margin"]
)
def test_numbers_without_a_sense_are_refused(field, value):
    with pytest.raises(UserError, match=field):
        dataclasses.replace(PRESETS["demo"], **{field: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda good: good | {"warmup": 1}, "r.json: unknown settings warmup; written by a newer version"),
        (lambda good: {k: v for k, v in good.items() if k != "momentum"}, "r.json: missing settings momentum"),
        (lambda good: good | {"seeded": None}, "r.json: seeded: expected a list of texts, received 'None'"),
        (lambda good: good | {"backbone_layers": "conv1"}, "r.json: backbone_layers: expected a list of texts"),
        (lambda good: good | {"seeded": [["split"]]}, "r.json: seeded: expected a list of texts"),
        (lambda good: good | {"class_names": ["cat"]}, "r.json: class_names: expected 10 names, received 1"),
        (lambda good: good | {"input_px": 10**9}, "r.json: input_px: expected 63 to 2048, received 1000000000"),
        (lambda good: good | {"width": 0.3}, "r.json: width: expected a multiple of 1/64"),
        (lambda good: good | {"bits": 10**5000}, "r.json: bits: expected 1 to 4096"),
        (lambda good: good | {"protocol": "imagenet"}, "r.json: protocol: expected cifar10-1 or"),
        (lambda _: [], "r.json: expected a recipe's settings by name, received list"),
        (lambda _: None, "r.json: expected a recipe's settings by name, received NoneType"),
    ],
)
def test_a_damaged_recipe_is_named(values, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        recipe_from_dict(values(dataclasses.asdict(PRESETS["demo"])), "r.json")


@pytest.mark.parametrize(
    "text", ["", "{", "nonsense", "[" * 200_000, '{"bits": ' + "9" * 5000 + "}", '{"width": NaN}', ["{}"], {}, 5, None]
)
def test_a_text_that_is_no_recipe_is_named(text):
    with pytest.raises(UserError, match=r"^w\.safetensors: "):
        recipe_from_text(text, "w.safetensors")


@pytest.mark.parametrize("field", ["class_names", "hidden_units", "pooled_px"])
def test_a_field_that_came_later_may_be_absent(field):
    values = dataclasses.asdict(PRESETS["demo"])
    del values[field]
    assert recipe_from_dict(values, "r.json") == PRESETS["demo"]
