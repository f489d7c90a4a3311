"""Finished runs without training: what a run folder holds, with scores of the test's choice."""

import dataclasses

from compare.execution.grid import Grid
from shared.files import write_json
from shared.recipe import PRESETS, RELU_LAYERS
from shared.runs import AP, run_of

PAPER = dataclasses.replace(PRESETS["paper"], backbone_layers=RELU_LAYERS)
RESULT = {
    "dataset": "cifar10",
    "best_epoch": 40,
    "accuracy": 0.9,
    "retrieval": {"queries_without_relevant": 0},
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


def finish(out, recipe, framework, score, *, precisions=None, threads=2, **changes):
    """Write the run's rows; ``precisions`` are those of its queries."""
    run = run_of(out, framework, recipe.bits, recipe.seed)
    run.prepare(recipe)
    result = RESULT | {name: getattr(recipe, name) for name in ("preset", "bits", "seed", "epochs")}
    result |= {"framework": framework, "recipe_digest": recipe.digest()}
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


def cells(text):
    """The first table of a text."""
    lines = text[text.index("|") :].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]
