"""The recipe: protocol defaults, learning-rate drop, evaluation epochs, digest, and refusal of nonsense."""

import dataclasses

import pytest

from shared.errors import UserError
from shared.recipe import BASE_SEED, PRESETS, SEEDED, Recipe, parameters, recipe_from_dict


def test_paper_preset_is_the_published_protocol():
    recipe = PRESETS["paper"]
    assert (recipe.epochs, recipe.batch_size, recipe.momentum, recipe.weight_decay) == (50, 32, 0.9, 5e-4)
    assert (recipe.penalty_weight, recipe.input_px, recipe.width, recipe.protocol) == (0.1, 224, 1.0, "cifar10-1")
    assert [recipe.rate(epoch) for epoch in (1, 30)] == [1e-3, 1e-3]
    assert [recipe.rate(epoch) for epoch in (31, 50)] == pytest.approx([1e-4, 1e-4])


def test_alexnet_has_its_published_size():
    shapes = {p.name: p.shape for p in parameters(PRESETS["paper"])}
    assert shapes["conv1.weight"] == (64, 3, 11, 11)
    assert shapes["fc6.weight"] == (4096, 9216)
    assert shapes["fc7.weight"] == (4096, 4096)
    assert shapes["classifier.weight"] == (10, 48)
    assert "classifier.bias" not in shapes


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (0, [5]), (9, [5])])
def test_the_last_epoch_is_always_scored(every, expected):
    recipe = Recipe(preset="x", epochs=5, eval_every=every)
    assert [epoch for epoch in range(1, 6) if recipe.evaluates(epoch)] == expected


def test_what_is_not_seeded_stays_as_the_base_seed_has_it():
    recipe = Recipe(preset="x", seed=7, seeded=("split", "dropout"))
    assert [recipe.seed_of(part) for part in SEEDED] == [7, BASE_SEED, BASE_SEED, 7]


def test_digest_sees_every_field():
    base = Recipe(preset="x", epochs=5)
    by_type = {str: "other", int: 77, float: 0.25, tuple[str, ...]: ("conv1",)}
    by_name = {"dropout": "native", "precision": "bf16", "seeded": ("order",)}
    changed = {
        dataclasses.replace(base, **{f.name: by_name.get(f.name, by_type[f.type])}).digest()
        for f in dataclasses.fields(Recipe)
    }
    assert len(changed | {base.digest()}) == len(dataclasses.fields(Recipe)) + 1


def test_round_trip_through_json_types():
    recipe = dataclasses.replace(PRESETS["demo"], backbone_layers=("conv1",), seeded=("split", "order"))
    values = dataclasses.asdict(recipe) | {"backbone_layers": ["conv1"], "seeded": ["split", "order"]}
    assert recipe_from_dict(values, "here") == recipe


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("bits", 0, "bits: expected at least 1, received 0"),
        ("epochs", 0, "epochs: expected at least 1"),
        ("seed", -1, "seed: expected 0 to 4294967295"),
        ("bits", "12", "bits: expected int, received '12'"),
        ("bits", True, "bits: expected int, received True"),
        ("input_px", 32, "at least 63"),
        ("eval_every", -1, "eval_every"),
        ("dropout", "none", "shared or native"),
        ("seeded", (), "seeded: expected some of split, weights, order, dropout"),
        ("seeded", ("order", "split"), "in this order"),
        ("seeded", ("seed",), "expected some of"),
    ],
)
def test_nonsense_is_refused(field, value, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(PRESETS["demo"], **{field: value})


def test_unknown_and_missing_fields_are_named():
    values = dataclasses.asdict(PRESETS["demo"])
    del values["momentum"]
    with pytest.raises(UserError, match=r"r.json: missing fields \['momentum'\], unknown fields \['warmup'\]"):
        recipe_from_dict(values | {"warmup": 1}, "r.json")
