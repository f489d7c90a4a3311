"""The run folder: another recipe is refused, damage is named, nothing half-written counts."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from compare.suite.run_folders import finished_runs
from shared.codes.codes import Codes, encoded_index
from shared.config.recipe import PRESETS
from shared.data import cifar
from shared.scoring.argsort_map import map_numpy_argsort
from shared.scoring.code_scores import score_of
from shared.system.errors import UserError
from shared.system.files import atomic_path, folder_lock
from shared.system.progress import Progress
from shared.training.job import Encoded, Job
from shared.training.result import result_of
from shared.training.runs import Run, begun_cells, run_of
from tests.rows import EPOCH, PAPER, finish

RECIPE = dataclasses.replace(PRESETS["demo"], bits=12)
OTHER = dataclasses.replace(RECIPE, epochs=7)


def test_another_recipe_needs_force(tmp_path):
    run = run_of(tmp_path, "torch", 12, 2000)
    run.prepare(RECIPE)
    run.prepare(RECIPE)
    run.append_log(EPOCH | {"epoch": 1})
    with pytest.raises(UserError, match=r"epochs 15 instead of 7.*--force"):
        run.prepare(OTHER)
    assert run.log() == [EPOCH | {"epoch": 1}]
    run.prepare(OTHER, force=True)
    assert run.recipe() == OTHER
    assert run.log() == []


@pytest.mark.parametrize("text", ['{"bits": 12, "ep', '{"bits": 12}'], ids=["cut off", "of another version"])
def test_a_recipe_that_cannot_be_read_needs_force(tmp_path, text):
    run = run_of(tmp_path, "torch", 12, 2000)
    run.prepare(RECIPE)
    run.recipe_file.write_text(text)
    with pytest.raises(UserError, match="--force to replace it"):
        run.prepare(RECIPE)
    run.prepare(RECIPE, force=True)
    assert run.recipe() == RECIPE


def test_log_survives_a_cut_off_line_and_can_be_rewound(tmp_path):
    run = Run(tmp_path)
    for epoch in (1, 2, 3):
        run.append_log(EPOCH | {"epoch": epoch})
    with run.log_file.open("a") as file:
        file.write('{"epoch": 4, "lo')
    assert [record["epoch"] for record in run.log()] == [1, 2, 3]
    run.rewind_log(2)
    run.append_log(EPOCH | {"epoch": 3})
    assert [record["epoch"] for record in run.log()] == [1, 2, 3]


def test_finished_result_is_checked_on_reading(small_suite, tmp_path):
    good = finished_runs(small_suite)[0]
    run = Run(tmp_path / "run")
    run.prepare(good.recipe())
    result = good.result()
    run.write_result(result)
    assert run.result() == result
    for corrupted, message in (
        ({k: v for k, v in result.items() if k != "accuracy"}, "missing accuracy"),
        (result | {"accuracy": "high"}, "accuracy: expected a number from 0 to 1, received 'high'"),
        (result | {"precision_at_least": 1}, "unknown precision_at_least; written by a newer version"),
        (result | {"seed": 7}, "seed: expected 2000 as in recipe.json, received 7"),
        (result | {"retrieval": result["retrieval"] | {"radius_curve": {"precision": [], "recall": []}}}, "13 values"),
        (result | {"map_last": {"expected": 1.0}}, "map_last"),
        (result | {"map_last": result["map_last"] | {"stable": None}}, "map_last: stable"),
        (result | {"map_argsort_best": "high"}, "map_argsort_best"),
        (result | {"recipe_digest": "0"}, "another recipe"),
    ):
        run.result_file.write_text(json.dumps(corrupted))
        with pytest.raises(UserError, match=message):
            run.result()
    run.result_file.write_text('{"accuracy": ')
    with pytest.raises(UserError, match="expected JSON that this project wrote"):
        run.result()
    del result["distinct_codes"]  # as before it was there
    run.result_file.write_text(json.dumps(result))
    assert run.result() == result | {"distinct_codes": None}


@pytest.mark.parametrize(
    ("recipe", "published"),
    [(PAPER, True), (dataclasses.replace(PAPER, preset="cpu", epochs=7, seed=3), True), (RECIPE, False)],
)
def test_the_ports_sort_is_run_where_published_numbers_stand_beside(tmp_path, recipe, published):
    images = cifar.load(cifar.DIGITS)
    split = cifar.split(images.labels, "digits-1", 2000)
    weights = {"fc6.weight": np.ones(3, np.float32)}
    environment = {"framework": "torch", "device_name": "", "packages": {}}
    run = run_of(tmp_path, "torch", recipe.bits, recipe.seed)
    run.prepare(recipe)
    job = Job(run, recipe, images, split, weights, "cpu", environment, Progress())
    generator, count = np.random.RandomState(0), len(encoded_index(split))
    several = []
    for epoch in (1, 2):
        hash_logits, predicted = generator.randn(count, recipe.bits), generator.randint(0, 10, count)
        several.append(Codes.from_hash_logits(hash_logits.astype(np.float32), predicted, images, split))
        job.finish_epoch(epoch, 1e-3, [1.0, 1.0, 1.0], 1.0, Encoded(several[-1], 1.0), None)
    run.write_result(result_of(job, several[-1], score_of(several[-1]), weights))
    n = len(split.query)
    sides = [(c.codes[:n], c.labels[:n], c.codes[n:], c.labels[n:]) for c in several]
    ports = [map_numpy_argsort(*side, bits=recipe.bits) if published else None for side in sides]
    result = run.result()
    assert [record["map"]["argsort"] for record in run.log()] == ports
    assert result["map_last"]["argsort"] == ports[-1]
    assert result["map_argsort_best"] == (max(ports) if published else None)


def test_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(UnicodeEncodeError), atomic_path(target) as temporary:
        temporary.write_text("half\ud800", encoding="utf-8")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_lock_keeps_a_second_process_out(tmp_path):
    with folder_lock(tmp_path), pytest.raises(UserError, match="in use by another process"), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        pass


def test_shared_lock_keeps_out_only_who_does_not_share(tmp_path):
    sharing = folder_lock(tmp_path, shared=True), folder_lock(tmp_path, shared=True)
    with sharing[0], sharing[1], pytest.raises(UserError, match="in use by another process"), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path), pytest.raises(UserError, match="in use"), folder_lock(tmp_path, shared=True):
        pass


def test_damaged_codes_are_refused(small_suite, tmp_path):
    source = finished_runs(small_suite)[0].codes_file.read_bytes()
    for content in (b"", source[: len(source) // 2], b"\x00" * 1000):
        (tmp_path / "codes.npz").write_bytes(content)
        with pytest.raises(UserError, match="expected the codes of a finished run"):
            Codes.load(tmp_path / "codes.npz")


def test_codes_hold_what_they_promise(small_suite):
    for run in finished_runs(small_suite):
        codes = Codes.load(run.codes_file)
        assert codes.bits == 12
        assert codes.codes.dtype == np.uint64
        assert len(np.unique(codes.index)) == len(codes.index) == 1797
        assert codes.margin.shape == (1797, 12)
        assert codes.zeros == 0


def test_queries_hold_what_the_result_is_the_mean_of(small_suite):
    for run in finished_runs(small_suite):
        queries, codes, result = pd.read_csv(run.queries_file), Codes.load(run.codes_file), run.result()
        assert queries.image.tolist() == codes.index[: codes.num_queries].tolist()
        assert (queries.predicted == queries.label).mean() == result["accuracy"]
        assert run.average_precisions() == queries.average_precision.tolist()
        assert np.mean(run.average_precisions()) == result["map_last"]["expected"]


@pytest.mark.parametrize(
    "text", [None, "", "image,label\n1,2\n", "average_precision\nhigh\n", "a,average_precision\n1\n"]
)
def test_damaged_queries_are_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "queries.csv").write_text(text)
    with pytest.raises(UserError, match=r"queries\.csv: expected a column average_precision of numbers"):
        Run(tmp_path).average_precisions()


@pytest.mark.parametrize(
    ("words", "data"),
    [
        ({"data": "here.npz", "command": ["x", "--data", "there.npz"]}, "here.npz"),
        ({"command": ["x", "--data", "there.npz", "--run", "y"]}, "there.npz"),
        ({"command": ["x", "--data"]}, None),
        ({}, None),
    ],
    ids=["a field", "command line of older versions", "cut off", "nowhere"],
)
def test_where_the_images_were(words, data, tmp_path):
    run = Run(tmp_path)
    run.environment_file.write_text(json.dumps(words))
    assert run.environment()["data"] == data


def test_framework_is_told_by_the_result(tmp_path):
    finish(tmp_path, RECIPE, "paddle", 0.5)
    moved = (tmp_path / "paddle" / "bits12-seed2000").rename(tmp_path / "elsewhere")
    assert Run(moved).framework == "paddle"


def test_cells_are_told_by_the_names_of_folders(tmp_path):
    for cell in (("torch", 48, 7), ("torch", 12, 2000), ("paddle", 12, 2000)):
        run_of(tmp_path, *cell).prepare(RECIPE)
    run_of(tmp_path, "torch", 48, 7).recipe_file.write_text("{")
    for name in ("bits12-seed2000-copy", "bits-seed1", "bits12-seed" + "9" * 5000, "other"):
        Run(tmp_path / "torch" / name[:200]).prepare(RECIPE)
    (tmp_path / "torch" / "bits24-seed1").mkdir()
    assert begun_cells(tmp_path, ["torch", "paddle"]) == [("paddle", 12, 2000), ("torch", 12, 2000), ("torch", 48, 7)]


def test_a_damaged_result_hides_no_run_from_the_list(tmp_path):
    for framework in ("torch", "paddle"):
        finish(tmp_path, RECIPE, framework, 0.5)
    run_of(tmp_path, "torch", 12, RECIPE.seed).result_file.write_text("{")
    assert [run.folder.parent.name for run in finished_runs(tmp_path)] == ["paddle", "torch"]
