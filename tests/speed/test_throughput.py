"""compare/throughput.py: every phase of both frameworks is measured, and the table is what the numbers say."""

import json
from statistics import median

import pytest

from compare import throughput as throughput_command
from shared.config.recipe import Recipe
from shared.network.flops import encoding_flops, training_bytes, training_flops
from shared.system.errors import UserError
from shared.worker.bench import copies_to_device
from tests import helpers
from tests.fakes import framework_that_says

PHASES = {
    "product",
    "upsample",
    "step",
    "input",
    "forward",
    "backward",
    "update",
    "encode",
    "start",
    "encoder",
    "write",
}
PHASES |= {"read", "to neutral", "from neutral", "convert", "convert back", "codes", "score"}
FRAMEWORKS = {"torch": "PyTorch Lightning", "paddle": "PaddlePaddle"}


def throughput(*arguments, **options):
    return helpers.run("compare/throughput.py", "--px", 64, "--width", "demo", *arguments, **options)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    missing = [name for name in FRAMEWORKS if not helpers.is_installed(name)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    out = tmp_path_factory.mktemp("throughput")
    text = throughput("--rounds", 2, "--out", out).stdout
    return out, text, json.loads((out / "throughput.json").read_text())


def test_every_phase_is_measured_in_both_frameworks(measured):
    _, _, report = measured
    for name in FRAMEWORKS.values():
        seconds = report["seconds"][name]
        assert seconds.keys() == PHASES
        assert all(value > 0 for values in seconds.values() for value in values)
        assert {len(seconds[phase]) for phase in ("step", "forward", "encode", "write")} == {2}
        assert {len(seconds[phase]) for phase in ("convert", "score")} == {3}
        plain = report["seconds"][f"{name}, default settings"]
        assert len(plain["step"]) == len(plain["encode"]) == 2
        untuned = report["environments"][f"{name}, default settings"]
        assert untuned["variables"]["GREEDYHASH_UNTUNED"] == "1"
        assert untuned["framework_threads"] == report["environments"][name]["framework_threads"] == 1


def test_the_table_says_what_was_measured(measured):
    out, text, report = measured
    rows = {row["phase"].rsplit(",", 1)[0].removeprefix("- "): row for row in report["table"]}
    seconds = report["seconds"]
    for phase, label, batch in (("step", "training step", 32), ("encode", "encoding", 128)):
        rates = {name: batch / median(seconds[name][phase]) for name in FRAMEWORKS.values()}
        for name, images_per_second in rates.items():
            assert float(rows[label][name].split(" [")[0].replace(",", "")) == pytest.approx(
                images_per_second, rel=6e-3
            )
        ratio = rates["PaddlePaddle"] / rates["PyTorch Lightning"]
        assert float(rows[label]["Paddle / PyTorch"]) == pytest.approx(ratio, abs=6e-3)
        plain = median(seconds["PaddlePaddle, default settings"][phase]) / median(seconds["PaddlePaddle"][phase])
        assert float(rows[label]["Paddle / defaults"]) == pytest.approx(plain, abs=6e-3)
    assert (out / "throughput.md").read_text().strip() in text
    assert f"load average before: {report['load_before']:.1f}." in text.split("| phase")[0]
    assert all(note in text for note in report["notes"])
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        assert (out / f"throughput{suffix}").read_bytes().startswith(start)


def test_share_of_the_ceiling_comes_from_counted_operations(measured):
    _, _, report = measured
    recipe = Recipe(preset="demo", bits=48, input_px=64, width=1 / 8)
    best = min(median(report["seconds"][name]["product"]) for name in FRAMEWORKS.values())
    assert report["ceiling_flops"] == pytest.approx(2 * 4096**3 / best)
    row = next(row for row in report["table"] if row["phase"].startswith("encoding"))
    flops_per_second = 128 * encoding_flops(recipe) / median(report["seconds"]["PaddlePaddle"]["encode"])
    assert row["Paddle / ceiling"] == f"{flops_per_second / report['ceiling_flops']:.0%}"


@pytest.mark.slow
def test_a_missing_framework_is_left_out(real_processes, tmp_path):
    if not helpers.is_installed("paddle"):
        pytest.skip("paddle is not installed")
    python = helpers.python_without("torch", tmp_path / "venv")
    done = throughput("--rounds", 1, "--out", tmp_path / "out", python=python)
    assert "PyTorch Lightning is left out: PyTorch Lightning cannot be imported" in done.stderr
    table = json.loads((tmp_path / "out" / "throughput.json").read_text())["table"]
    assert {row["PyTorch Lightning"] for row in table} == {"-"}
    assert "-" not in {row["PaddlePaddle"] for row in table}


@pytest.mark.slow
def test_shared_kernels_are_measured_beside_native_ones(tmp_path):
    """The second worker has native kernels, and nothing else is other than in the first."""
    if not helpers.is_installed("paddle"):
        pytest.skip("paddle is not installed")
    text = throughput("--rounds", 2, "--frameworks", "paddle", "--kernels", "shared", "--out", tmp_path).stdout
    report = json.loads((tmp_path / "throughput.json").read_text())
    shared, native = (report["seconds"][f"PaddlePaddle{beside}"] for beside in ("", ", native kernels"))
    rows = {row["phase"].rsplit(",", 1)[0].removeprefix("- "): row for row in report["table"]}
    for phase, label in (("step", "training step"), ("encode", "encoding")):
        assert len(shared[phase]) == len(native[phase]) == 2
        ratio = median(native[phase]) / median(shared[phase])
        assert float(rows[label]["Paddle / native"]) == pytest.approx(ratio, abs=6e-3)
    environments = report["environments"]
    assert environments["PaddlePaddle"]["variables"] == environments["PaddlePaddle, native kernels"]["variables"]
    assert "fp32, shared kernels, batch 32 in training" in text
    assert "native: the framework with its own kernels" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kernels", "shared-nothing"], "kernels: expected native, shared, native+FAMILY... or shared-FAMILY..."),
        (["--rounds", 0], "--rounds: expected a whole number from 1, received '0'"),
        (["--precision", "bf16"], "precision bf16: expected a GPU"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path):
    done = throughput("--out", tmp_path, *arguments, "--device", "cpu", status=2)
    assert message in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_worker_refuses_an_unknown_phase(small_suite):
    run = small_suite / "paddle" / "bits12-seed2000"
    options = ["--run", run, "--initial-weights", small_suite / "init" / "bits12-seed2000.safetensors"]
    done = helpers.worker("paddle", "bench", *options, "--data", "digits", status=2, stdin="warp\n")
    assert (
        "expected a phase among product, upsample, step, parts, encode, checkpoint, copies, received 'warp'"
        in done.stderr
    )


def test_profilers_trace_is_read_and_a_cpu_copies_nothing(framework, small_suite):
    run = small_suite / framework / "bits12-seed2000"
    options = ["--run", run, "--initial-weights", small_suite / "init" / "bits12-seed2000.safetensors"]
    done = helpers.worker(framework, "bench", *options, "--data", "digits", stdin="copies\n")
    _environment, answer = done.stdout.splitlines()  # a profiler's own words would be taken for an answer
    assert json.loads(answer) == {"copies": 0}


def test_copies_are_counted_in_either_frameworks_trace(tmp_path):
    names = ["Memcpy HtoD (Pageable -> Device)", "MEMCPY_HtoD", "Memcpy DtoH (Device -> Pageable)", "cudaMemcpyAsync"]
    events = [{"name": name, "ph": "X"} for name in (*names, names[0], "aten::mm")] + [{"ph": "M"}]
    (tmp_path / "trace.json").write_text(json.dumps({"traceEvents": events}))
    assert copies_to_device(tmp_path / "trace.json") == 3


@pytest.mark.parametrize(
    "sizes", [{}, {"input_px": 64, "width": 1 / 8}, {"input_px": 127, "hidden_units": 1000, "pooled_px": 2}]
)
def test_operations_are_those_that_pytorch_counts(sizes):
    if not helpers.is_installed("torch"):
        pytest.skip("torch is not installed")
    counted = json.loads(helpers.child("torch", "torch_flops", json.dumps(sizes)).stdout)
    recipe = Recipe(preset="demo", bits=48, **sizes)
    assert counted == {"forward": encoding_flops(recipe), "both": training_flops(recipe)}


def test_bytes_of_a_step():
    """57 million parameters eight times, and the activations of 32 images four times."""
    recipe = Recipe(preset="paper", bits=48)
    parameters = 57_003_840 + 4096 * 48 + 48 + 480
    activations = 64 * 55**2 + 192 * 27**2 + (384 + 256 + 256) * 13**2 + 2 * 4096 + 48 + 10
    assert training_bytes(recipe) == 4 * (8 * parameters + 4 * 32 * activations)


NOWHERE = ("--torch-python", "/nonexistent")


def test_two_kinds_of_device_are_not_compared(tmp_path):
    pythons = {
        name: framework_that_says(tmp_path / name, device=d) for name, d in (("torch", "cuda"), ("paddle", "cpu"))
    }
    named = [word for name, python in pythons.items() for word in (f"--{name}-python", python)]
    with pytest.raises(
        UserError, match="found PaddlePaddle on cpu and PyTorch Lightning on cuda; choose --device cpu, or"
    ):
        throughput_command.main(["--px", "64", "--width", "demo", "--out", str(tmp_path / "out"), *named])
    with pytest.raises(UserError, match="--torch-python: cannot start /nonexistent"):  # the other is not started
        throughput_command.main(["--frameworks", "torch", "--out", str(tmp_path / "out"), *named[2:], *NOWHERE])
    assert not (tmp_path / "out").exists()
