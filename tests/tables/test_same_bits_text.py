"""The note on runs by shared kernels: which are identical, and what is native in those that are not."""

import dataclasses

import pytest

from compare.tables.same_bits_text import IDENTICAL, same_bits_notes
from shared.config.recipe import PRESETS
from shared.training.runs import run_of
from tests.rows import EPOCH, finish

DEMO = dataclasses.replace(PRESETS["demo"], bits=12, epochs=1)


def runs_of(out, recipe, digests):
    for framework, digest in zip(("torch", "paddle"), digests, strict=True):
        finish(out, recipe, framework, 0.5)
        record = {"epoch": 1, **EPOCH, "parameters_sha256": digest * 64, "codes_sha256": digest * 64}
        run_of(out, framework, 12, recipe.seed).append_log(record)
    return [run_of(out, framework, 12, recipe.seed) for framework in ("torch", "paddle")]


@pytest.mark.parametrize(
    ("changes", "native"),
    [
        ({"kernels": "shared"}, ""),
        ({"kernels": "shared", "dropout": "native"}, "; native dropout draws other masks in each framework"),
        ({"kernels": "native+ce"}, "; what kernels native+ce leave native may round otherwise in each framework"),
        (
            {"kernels": "shared-conv.fwd", "dropout": "native"},
            "; native dropout draws other masks in each framework; what kernels shared-conv.fwd leave native may round "
            "otherwise in each framework",
        ),
    ],
)
def test_a_difference_is_told_from_a_fault(changes, native, tmp_path):
    recipe = dataclasses.replace(DEMO, **changes)
    cell = f"12 bits, seed {recipe.seed}"
    (note,) = same_bits_notes(runs_of(tmp_path / "differs", recipe, "ab"))
    assert note == f"{cell}: not identical: other parameters after epoch 1, the first that differs{native}."
    assert same_bits_notes(runs_of(tmp_path / "same", recipe, "aa")) == [f"{cell}: {IDENTICAL}."]
