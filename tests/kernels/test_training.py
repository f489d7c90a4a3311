"""Training by shared kernels: the same bits in both frameworks; by some of them, native gradients within rounding."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from compare.ladder.same_bits_inputs import first_difference, same_bits_request
from compare.ladder.setup import Scale
from compare.tables.table import make_table
from shared.network.alexnet import parameters
from shared.training.runs import run_of
from tests import helpers

TINY = Scale("tiny", width=1 / 16, input_px=64, batch=8, strict_steps=1, steps=20)
MIXED = ("shared-conv.fwd", "shared-conv.dx-linear.dw", "native+conv.db+linear.fwd", "native+ce", "native+penalty+pool")


# what older versions have not: Paddle 2.6 exports no DLPack, and before 2.1 NumPy does not write what it imports by it
OLD_VERSIONS = {
    "Paddle 2.6": "import paddle_impl.runtime, paddle; del paddle.Tensor.__dlpack__",
    "NumPy 1.26": """
import numpy
of_now = numpy.from_dlpack
def from_dlpack(exporter):
    array = of_now(exporter)
    array.flags.writeable = False
    return array
numpy.from_dlpack = from_dlpack
""",
}


@pytest.fixture(scope="module")
def requests_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shared-kernels")


@pytest.fixture(scope="module")
def answers(requests_folder):
    """(framework, kernels) -> state after every step, and gradients at the first, of one process each."""
    folder = requests_folder
    request, arrays = same_bits_request(TINY, 12)
    for number, kernels in enumerate(("shared", "native", *MIXED)):
        wanted = {"parts": ("digests", "gradients"), "num_steps": 20 if kernels == "shared" else 2, "saved_steps": (2,)}
        recipe = dataclasses.replace(request.recipe, kernels=kernels)
        dataclasses.replace(request, recipe=recipe, **wanted).save(folder / f"{number}.npz", arrays)
    found = {}
    for framework in ("torch", "paddle"):
        if not helpers.is_installed(framework):
            pytest.skip(f"{framework} is not installed, and two frameworks are compared")
        files = sorted(folder.glob("*.npz"))
        helpers.worker(framework, "probe", *files, "--out", folder / framework, "--device", "cpu")
        for kernels, file in zip(("shared", "native", *MIXED), files, strict=True):
            found[framework, kernels] = dict(np.load(folder / framework / file.name))
    return found


def test_twenty_steps_have_the_same_bits(answers):
    torch, paddle = (answers[framework, "shared"] for framework in ("torch", "paddle"))
    assert len(np.unique(torch["digests"], axis=0)) == 20
    assert first_difference(paddle, torch) is None
    names = [name for name in torch if name not in ("digests", "numpy")]
    assert len(names) > 2 * len(parameters(same_bits_request(TINY, 12)[0].recipe))
    for name in names:
        assert np.array_equal(torch[name], paddle[name], equal_nan=True), name


@pytest.mark.parametrize("kernels", ["shared", *MIXED])
def test_gradients_are_the_native_ones_within_rounding(framework, kernels, answers):
    ours, native = answers[framework, kernels], answers[framework, "native"]
    compared = [name for name in native if name.startswith(("gradient.", "loss", "cross", "penalty", "trajectory.2."))]
    assert len(compared) > 50
    for name in compared:
        np.testing.assert_allclose(
            ours[name], native[name], rtol=0, atol=3e-5 * np.abs(native[name]).max(), err_msg=name
        )


def test_the_setting_has_an_effect(framework, answers):
    """Some native kernels have the bits of the shared ones, so not every set has bits of its own."""
    first = {kernels: answers[framework, kernels]["digests"][0].tobytes() for kernels in ("shared", "native", *MIXED)}
    assert all(first[kernels] != first["native"] for kernels in ("shared", *MIXED))
    assert first["shared-conv.fwd"] != first["shared"]


@pytest.mark.parametrize("old", OLD_VERSIONS)
def test_versions_that_share_no_memory_have_the_same_bits(old, answers, requests_folder, tmp_path):
    place = 2 + MIXED.index("shared-conv.fwd")
    program = f"""{OLD_VERSIONS[old]}
import pathlib, sys
from paddle_impl import __main__, runtime
runtime.configure()
__main__.probe([pathlib.Path(sys.argv[1])], pathlib.Path(sys.argv[2]), runtime.resolve_device("cpu"))
"""
    helpers.run("-c", program, requests_folder / f"{place}.npz", tmp_path, python=helpers.default_python("paddle"))
    answer = dict(np.load(tmp_path / f"{place}.npz"))
    for name, expected in answers["paddle", "shared-conv.fwd"].items():
        assert np.array_equal(answer[name], expected, equal_nan=expected.dtype.kind == "f"), name


def benchmark(out, *options):
    return helpers.benchmark("--preset", "demo", "--kernels", "shared", "--out", out, *options, timeout=3000).stdout


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """One epoch of the demo by shared kernels, in both frameworks: its folder, and what the command printed."""
    out = tmp_path_factory.mktemp("suite")
    return out, benchmark(out, "--bits", "12", "--epochs", "1", "--set", "width=0.03125")


def test_a_suite_by_shared_kernels_is_identical_and_says_so(suite):
    out, shown = suite
    assert "12 bits, seed 2000: identical: same parameters after every epoch, same codes, same mAP." in shown
    assert "fp32, shared kernels, 64 px" in shown
    logs = [run_of(out, name, 12, 2000).log() for name in ("torch", "paddle")]
    assert [len(log) for log in logs] == [1, 1]
    for name in ("parameters_sha256", "codes_sha256", "map", "accuracy"):
        assert logs[0][0][name] == logs[1][0][name]


@pytest.mark.parametrize(
    ("name", "value", "note"),
    [
        ("parameters_sha256", "0" * 64, "other parameters after epoch 1, the first that differs"),
        ("codes_sha256", "0" * 64, "the same parameters, other codes after epoch 1, the first that differs"),
        ("parameters_sha256", None, "epoch 1 has no parameters_sha256 in log.jsonl"),
    ],
)
def test_the_table_names_the_first_epoch_that_differs(name, value, note, suite, tmp_path):
    out = shutil.copytree(suite[0], tmp_path / "suite")
    log_file = run_of(out, "paddle", 12, 2000).log_file
    log_file.write_text(json.dumps(json.loads(log_file.read_text()) | {name: value}) + "\n")
    text = make_table(out).text
    assert f"- 12 bits, seed 2000: not identical: {note}." in text
    assert ": identical" not in text


def test_native_runs_have_neither_hash_nor_note(small_suite):
    text = make_table(small_suite).text
    assert "identical" not in text
    assert "kernels" not in text
    assert not [record for record in run_of(small_suite, "torch", 12, 2000).log() if "parameters_sha256" in record]


def test_several_processes_are_refused(tmp_path):
    done = helpers.benchmark(
        *("--preset", "demo", "--kernels", "shared", "--devices", 2, "--device", "cpu", "--out", tmp_path), status=2
    )
    assert "kernels shared: expected one process, received 2" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_whole_demo_is_identical_at_all_lengths(tmp_path):
    shown = benchmark(tmp_path)
    assert "- 12, 24, 32 and 48 bits, seed 2000: identical: same parameters after every epoch" in shown
    assert "not identical" not in shown


@pytest.mark.slow
def test_a_training_that_goes_on_in_the_other_framework_keeps_the_bits(tmp_path):
    """Momentum goes along too: the second epoch of one after the first of the other is that of an unbroken run."""
    benchmark(tmp_path / "one", "--bits", "12", "--epochs", "1")
    benchmark(tmp_path / "two", "--bits", "12", "--epochs", "2", "--frameworks", "torch")
    for framework, before in (("paddle", "torch"), ("torch", "paddle")):
        folder = tmp_path / f"{framework}-after-{before}"
        folder.mkdir()
        recipe = tmp_path / "two" / "torch" / "bits12-seed2000" / "recipe.json"
        (folder / "recipe.json").write_text(recipe.read_text())
        start = tmp_path / "one" / before / "bits12-seed2000" / "checkpoint.safetensors"
        helpers.worker(framework, "train", "--run", folder, "--data", "digits", "--resume-from", start)
        unbroken = run_of(tmp_path / "two", "torch", 12, 2000)
        (record,) = type(unbroken)(folder).log()
        assert record["parameters_sha256"] == unbroken.log()[1]["parameters_sha256"]
