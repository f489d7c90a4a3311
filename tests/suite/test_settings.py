"""Settings by ``--set`` and ``--recipe``: what they change, what is refused, and how a run's command repeats them."""

import dataclasses
import json
import shlex

import pytest

from compare import convert, doctor
from compare.benchmark import build_parser
from compare.page.rerun import rerun_command
from compare.suite.planning import chosen_recipe
from compare.suite.settings import settled
from shared.config.recipe import DECIDED, LENGTHS, PRESETS, SETTABLE, Recipe
from shared.system.errors import UserError
from shared.training.departures import departures_in_words

CPU = PRESETS["cpu"]


def asked(*options):
    return settled(build_parser().parse_args(list(map(str, options))))


def recipe_of(*options):
    arguments = asked(*options)
    return chosen_recipe(arguments, arguments.preset)


def toml(tmp_path, text, name="mine.toml"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_every_field_is_either_set_or_decided_by_an_option():
    fields = {field.name for field in dataclasses.fields(Recipe)}
    assert SETTABLE | DECIDED.keys() == fields
    for name in DECIDED:
        with pytest.raises(UserError, match=f"--set: {name} follows from {DECIDED[name]}; use that"):
            asked("--set", f"{name}=1")


def test_set_gives_a_setting_of_any_type():
    words = ["batch_size=64", "learning_rate=2e-3", "dropout=native", "seeded=split,order", "penalty_weight=1"]
    recipe = recipe_of("--preset", "cpu", *(word for text in words for word in ("--set", text)))
    changes = {"batch_size": 64, "learning_rate": 2e-3, "dropout": "native", "penalty_weight": 1.0}
    assert recipe == dataclasses.replace(CPU, seeded=("split", "order"), **changes)
    assert recipe.digest() == dataclasses.replace(CPU, seeded=("split", "order"), **changes).digest()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_siz=64", "--set: no such setting: batch_siz; did you mean batch_size?"),
        ("zzz=1", "--set: no such setting: zzz$"),
        ("batch_size", "--set: expected NAME=VALUE, such as batch_size=64, received 'batch_size'"),
        ("batch_size=many", "--set: batch_size: expected a whole number, received 'many'"),
        ("batch_size=1.5", "--set: batch_size: expected a whole number, received '1.5'"),
        ("batch_size=0", "--set: batch_size: expected 1 to 65536, received 0"),
        ("learning_rate=nan", "--set: learning_rate: expected a finite number"),
        ("learning_rate=x\x1b[31m", r"received 'x\\\\x1b\[31m'"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(text, message):
    for build in (build_parser, doctor.build_parser, convert.build_parser):
        first = ["x.pt"] if build is convert.build_parser else []
        with pytest.raises(UserError, match=message) as error:
            build().parse_args([*first, "--set", text])
        assert "\n" not in str(error.value)


def test_a_choice_is_checked_with_the_others():
    with pytest.raises(UserError, match="precision: expected fp32 or tf32 or bf16, received 'fp8'"):
        recipe_of("--preset", "cpu", "--set", "precision=fp8")


def test_a_setting_is_given_once():
    with pytest.raises(UserError, match="epochs: expected once, received again by --set epochs=3"):
        recipe_of("--preset", "cpu", "--epochs", 2, "--set", "epochs=3")
    with pytest.raises(UserError, match="batch_size: expected once, received again by --set batch_size=3"):
        recipe_of("--preset", "cpu", "--set", "batch_size=2", "--set", "batch_size=3")


def test_a_recipe_of_a_run_repeats_its_settings(tmp_path):
    run = dataclasses.replace(
        *(PRESETS["small"],),
        bits=24,
        seed=7,
        batch_size=16,
        data_sha256="abc",
        backbone_layers=("conv1", "conv2"),
        dataset="custom",
        num_classes=5,
        class_names=tuple("abcde"),
        topk=9,
    )
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(dataclasses.asdict(run)))
    arguments = asked("--recipe", path)
    assert (arguments.preset, arguments.bits, arguments.seeds) == ("small", [24], [7])
    assert arguments.backbone_weights == "imagenet-conv"
    chosen = chosen_recipe(arguments, "small")
    assert chosen == dataclasses.replace(PRESETS["small"], batch_size=16, topk=9)  # the images are another matter
    over = asked("--recipe", path, "--bits", 12, "--seeds", 1, 2, "--backbone-weights", "none", "--topk", 3)
    assert (over.bits, over.seeds, over.backbone_weights) == ([12], [1, 2], "none")
    assert chosen_recipe(over, "small").topk == 3


def test_toml_gives_some_settings(tmp_path):
    path = toml(tmp_path, 'preset = "cpu"\nlearning_rate = 1\nseeded = ["split"]\nbackbone = "none"\n')
    arguments = asked("--recipe", path)
    assert (arguments.bits, arguments.backbone_weights) == ([*LENGTHS], "none")
    recipe = chosen_recipe(arguments, arguments.preset)
    assert recipe.digest() == dataclasses.replace(CPU, learning_rate=1.0, seeded=("split",)).digest()
    assert recipe_of("--recipe", path, "--set", "learning_rate=0.5").learning_rate == 0.5
    assert recipe_of("--preset", "cpu", "--recipe", toml(tmp_path, "epochs = 3\n")).epochs == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_siz = 64", "no such setting: batch_siz; did you mean batch_size?"),
        ("batch_size = 'many'", "batch_size: expected a whole number, received 'many'"),
        ("batch_size = 0", "batch_size: expected 1 to 65536, received 0"),
        ("batch_size = true", "batch_size: expected a whole number"),
        ("margin = " + "9" * 400, "margin: expected a finite number"),
        ("batch_size = 1979-05-27", "batch_size: expected a whole number"),
        ("[batch_size]\na = 1", "batch_size: expected a whole number"),
        ("batch_size = ", "expected settings in TOML, received"),
        ("a = " + "[" * 5000, "expected settings in TOML, received"),
        ("preset = 'papr'", "preset: expected paper or "),
        ("preset = 'cpu'", "--preset: expected cpu, as .* has it, received paper"),
        ("backbone = 'file'", "its runs start from a weights file: name that by --backbone-weights"),
    ],
)
def test_a_wrong_file_of_settings_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as error:
        asked("--preset", "paper", "--recipe", toml(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_missing_or_damaged_recipe_is_refused(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path / "none.json", toml(tmp_path, "[1]", "list.json"), tmp_path):
        with pytest.raises(UserError, match=str(path)):
            asked("--recipe", path)


def test_what_is_set_is_a_departure_in_words():
    recipe = recipe_of("--preset", "paper", "--set", "batch_size=64", "--set", "weight_decay=0.01")
    words = departures_in_words(recipe)
    assert {"batch 64 instead of 32", "weight decay 0.01 instead of 0.0005"} <= set(words)


def test_the_command_of_a_run_names_what_was_set():
    recipe = dataclasses.replace(CPU, batch_size=64, seeded=("split", "order"), epochs=3, learning_rate=1 / 3)
    arguments = settled(build_parser().parse_args(shlex.split(rerun_command(recipe, "torch", {}))[2:]))
    assert dataclasses.replace(chosen_recipe(arguments, "cpu"), bits=recipe.bits, seed=recipe.seed) == recipe
    assert (arguments.epochs, len(arguments.set)) == (3, 3)
