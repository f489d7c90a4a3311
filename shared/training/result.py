"""What a finished run leaves behind as its result."""

import math
from typing import TYPE_CHECKING

import numpy as np

from shared.checkpoint import weights
from shared.codes.codes import Codes, distinct_codes
from shared.data.leaks import contents, leaked
from shared.scoring.code_scores import map_scores
from shared.scoring.retrieval import Retrieval
from shared.training.best import best_epoch

if TYPE_CHECKING:
    from shared.training.job import Job


def result_of(job: "Job", codes: Codes, score: Retrieval, final_weights: weights.Arrays) -> dict:
    """What result.json says of a run whose last epoch gave these ``codes``, their ``score`` and these weights."""
    recipe, log, published = job.recipe, job.run.log(), job.beside_published
    scored = [record for record in log if "map" in record]
    (best,) = (record for record in scored if record["epoch"] == best_epoch(log))
    train_seconds = sum(record["seconds"] for record in log)
    return {
        "framework": job.environment["framework"],
        "preset": recipe.preset,
        "dataset": recipe.dataset,
        "bits": recipe.bits,
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "map_last": map_scores(codes, score, published, recipe.topk),
        "map_best": best["map"],
        "map_argsort_best": max(record["map"]["argsort"] for record in scored) if published else None,
        "best_epoch": best["epoch"],
        "accuracy": codes.accuracy(),
        "retrieval": score.other_scores(),
        "zeros": codes.zeros,
        "distinct_codes": distinct_codes(codes.codes),
        "leaked_queries": len(leaked(job.split, contents(job.dataset.pixels))),
        "weights_moved": _relative_change(job.initial_weights, final_weights),
        "train_seconds": train_seconds,
        "encode_seconds": log[-1]["encode_seconds"],
        "images_per_second": len(job.split.train) * len(log) / train_seconds,
        "device": job.environment["device_name"],
        "versions": job.environment["packages"],
        "recipe_digest": recipe.digest(),
        "data_sha256": recipe.data_sha256,
        "split_sha256": recipe.split_sha256,
        "initial_weights_sha256": weights.digest(job.initial_weights),
        "checkpoint_sha256": weights.digest(final_weights),
    }


def _relative_change(before: weights.Arrays, after: weights.Arrays) -> float:
    change = sum(float(((after[name] - before[name]).astype(np.float64) ** 2).sum()) for name in before)
    size = sum(float((before[name].astype(np.float64) ** 2).sum()) for name in before)
    return math.sqrt(change / size)
