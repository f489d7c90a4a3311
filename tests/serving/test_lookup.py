"""What the page says of two frameworks' nearest items, of hand-made codes."""

import asyncio
from concurrent.futures import Future

import numpy as np
import pytest

from compare.search.neighbours import RunIndex, build_index
from compare.serving.lookup import Lookup, Side
from shared.codes.packing import pack_codes
from shared.data.cifar import Dataset

BITS = 8


class Worker:
    """Says of every image that its code has no bit set."""

    def submit(self, name, pixels):
        record = Future()
        record.set_result({"image": name, "class": "class 1", "bits": BITS * "0"})
        return record


def side(framework, items):
    """A framework's database; ``items``: distance from the image's code -> how many."""
    codes = np.concatenate([np.tile(np.arange(BITS) < distance, (many, 1)) for distance, many in items.items()])
    numbers = np.arange(len(codes))
    return Side(framework, Worker(), RunIndex(build_index(pack_codes(codes), BITS), numbers, np.ones_like(numbers)))


def answer(*sides):
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    lookup = Lookup("demo", BITS, 1, Dataset("custom", pixels, np.ones(1, np.int64)), np.arange(1), list(sides), {})
    return asyncio.run(lookup.search("a", pixels[0]))


@pytest.mark.parametrize(
    ("torch", "paddle", "expected"),
    [
        ({0: 67, 2: 5}, {0: 17}, "apart. Ties decide 10 and 10 of the 10 nearest: 67 and 17 items at distance 0."),
        ({0: 67}, {3: 17}, "10 and 10 of the 10 nearest: 67 items at distance 0 and 17 at distance 3."),
        ({0: 4, 1: 20}, {3: 17}, "6 and 10 of the 10 nearest: 20 items at distance 1 and 17 at distance 3."),
        ({0: 10, 1: 20}, {3: 17}, "Ties decide 10 of PaddlePaddle's 10 nearest: 17 items at distance 3."),
        ({0: 10, 1: 9}, {0: 3, 1: 7, 2: 5}, "apart; they share 10 of the 10 nearest."),
        ({0: 5, 1: 9}, {0: 9, 1: 1, 2: 5}, "apart; they share 10 of the 10 nearest, the last of which ties decide."),
        ({0: 3, 1: 2}, {0: 5}, "they share 5 of the 5 nearest."),
    ],
    ids=["all tied", "at two distances", "more than half", "in one alone", "no ties", "the last", "fewer than ten"],
)
def test_summary_says_where_ties_decide(torch, paddle, expected):
    response = answer(side("torch", torch), side("paddle", paddle))
    assert response["summary"].endswith(expected)
    for name, items in (("torch", torch), ("paddle", paddle)):
        last = response["frameworks"][name]["nearest"][-1]["distance"]
        before = sum(many for distance, many in items.items() if distance <= last)
        assert response["frameworks"][name]["tied"] == (items[last] if before > 10 else 0)


def test_summary_of_one_framework():
    assert answer(side("torch", {0: 10, 1: 5}))["summary"] == "It says class 1."
    expected = "It says class 1. Ties decide 10 of the 10 nearest: 12 items at distance 1."
    assert answer(side("torch", {1: 12}))["summary"] == expected
