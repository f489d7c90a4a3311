"""Suites whose runs have codes of the test's choice, so that how far they are apart is known."""

import dataclasses

import numpy as np

from compare.stats.agreement import distances
from compare.stats.code_bits import measure_bits
from compare.stats.gather import gather
from compare.stats.twins import twins_of
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes
from shared.training.runs import run_of
from tests.rows import PAPER, finish, plan

QUERIES, ITEMS = 4, 16
RECIPE = dataclasses.replace(PAPER, bits=12)
BASE = np.random.RandomState(0).rand(QUERIES + ITEMS, 48) > 0.5


def codes_of(bits):
    """Codes of the bits, bool (queries + items, length)."""
    labels = np.arange(len(bits)) % 10
    return Codes(np.arange(len(bits)) + 100, labels, pack_codes(bits), np.ones(bits.shape, np.float32), labels, QUERIES)


def flipped(bits, queries, items):
    """The codes with so many bits of the queries and of the database the other way round."""
    other = bits.copy()
    other[:QUERIES].flat[:queries] ^= True
    other[QUERIES:].flat[:items] ^= True
    return codes_of(other)


def finish_with_codes(out, recipe, framework, score, precisions, codes, **more):
    finish(out, recipe, framework, score, precisions=precisions, checkpoint_sha256=f"{out.name}{framework}", **more)
    run = run_of(out, framework, recipe.bits, recipe.seed)
    codes.save(run.codes_file)
    return run


def write_suite(out, seeds=(1, 2), bits=(12, 48)):
    """Both frameworks at two lengths, and a control on other threads; Paddle differs in 3 query bits and 24 others."""
    plan(out, bits=bits, seeds=seeds)
    for length in bits:
        base = BASE[:, :length]
        for seed in seeds:
            recipe = dataclasses.replace(RECIPE, bits=length, seed=seed)
            finish_with_codes(out, recipe, "torch", 0.5, [0.1, 0.2, 0.3, 0.4], codes_of(base))
            # two queries differ by more than 0.05 at seed 1, one at the others
            precisions = [0.2, 0.17, 0.302, 0.5 if seed == 1 else 0.4]
            finish_with_codes(out, recipe, "paddle", 0.5 + 0.01 * seed, precisions, flipped(base, 3, 24))
            control = out / "control/threads"
            finish_with_codes(control, recipe, "torch", 0.496, [0.1, 0.2, 0.3, 0.5], flipped(base, 0, 12), threads=1)
    return out


def rows_of(out):
    twins = twins_of(gather([out]))
    return distances(twins, measure_bits(twins, [out]).shares)
