"""Finished runs without training: what a run folder holds, with scores of the test's choice."""

import dataclasses

from compare.frameworks.worker import Worker
from compare.suite.grid import Grid
from compare.suite.suite import Suite
from shared.config.recipe import PRESETS
from shared.network.alexnet import RELU_LAYERS
from shared.scoring.code_scores import AP
from shared.system.files import write_json
from shared.training.runs import run_of

CPU = dataclasses.replace(PRESETS["cpu"], bits=12, epochs=1, backbone_layers=RELU_LAYERS[:5], margin=0.02)
PAPER = dataclasses.replace(PRESETS["paper"], backbone_layers=RELU_LAYERS)
RESULT = {
    "best_epoch": 40,
    "accuracy": 0.9,
    "zeros": 0,
    "weights_moved": 0.5,
    "train_seconds": 10.0,
    "encode_seconds": 2.0,
    "images_per_second": 500.0,
    "device": "a device",
    "versions": {"torch": "2.15.0", "paddlepaddle-gpu": None},
    "data_sha256": "d",
    "split_sha256": "s",
    "initial_weights_sha256": "i",
    "checkpoint_sha256": "c",
}
EPOCH = {"lr": 1e-3, "loss": 1.5, "cross_entropy": 1.4, "penalty": 1.0, "seconds": 2.0, "images_per_second": 500.0}


def retrieval(bits):
    """Every other score of a run of this length."""
    curve = {name: [0.5] * (bits + 1) for name in ("precision", "recall")}
    return {
        "queries": 1000,
        "items": 59_000,
        "bits": bits,
        "queries_without_relevant": 0,
        "precision_at": {"1": 0.5, "10": 0.4},
        "within_radius_2": {"precision": 0.5, "recall": 0.5, "f1": 0.5},
        "eleven_points": [0.5] * 11,
        "radius_curve": curve,
        "ties": {"tied": 0.9, "mixed": 0.1, "distances": 9.5},
    }


def finish(out, recipe, framework, score, *, precisions=None, threads=2, **changes):
    """Write the run's rows; ``precisions`` are those of its queries."""
    run = run_of(out, framework, recipe.bits, recipe.seed)
    run.prepare(recipe)
    result = RESULT | {name: getattr(recipe, name) for name in ("preset", "dataset", "bits", "seed", "epochs")}
    result |= {"framework": framework, "recipe_digest": recipe.digest(), "retrieval": retrieval(recipe.bits)}
    other = {"stable": score + 0.001, "argsort": score + 0.002}
    result["map_last"] = {"expected": score, "worst": score - 0.01, "best": score + 0.01} | other
    result["map_best"] = {"expected": score + 0.005, "worst": score, "best": score + 0.02} | other
    result["map_argsort_best"] = score + 0.006
    if precisions is not None:
        run.write_queries({"image": range(len(precisions)), AP: precisions})
    write_json(run.environment_file, {"framework_threads": threads, "command": ["/a/b/x.py", "--data", "/c/d.npz"]})
    run.write_result(result | changes)


def plan(out, bits=(12,), seeds=(2000,), frameworks=("paddle", "torch"), **changes):
    """Write suite.json; all lengths with the same seeds."""
    Grid({length: list(seeds) for length in bits}, list(frameworks), **changes).write(out, anew=True)


def suite_with(out, recipe=PRESETS["demo"], threads=None, **changes):
    workers = [Worker(name, threads=threads) for name in ("paddle", "torch")]
    places = {"devices": {}, "unavailable": {}, "dataset": None, "data": "digits", "backbone": {}, "force": False}
    grid = {"bits": [12], "seeds": [2000, 7]}
    return Suite(out=out, recipe=recipe, workers=workers, **(grid | places | changes))


def cells(text):
    """The first table of a text."""
    lines = text[text.index("|") :].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]
