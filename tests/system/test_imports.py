"""Commands start at once: which libraries are imported before one has something to do for them."""

import json
import sys

import pytest

from tests import helpers
from tests.system.test_commands import COMMANDS, WORKERS

pytestmark = pytest.mark.usefixtures("real_processes")

# each costs a tenth of a second or more
HEAVY = {"numba", "pandas", "matplotlib", "sklearn", "requests", "pooch", "faiss", "ray", "jinja2", "torch", "paddle"}
HEAVY |= {"lightning", "torchvision", "onnx", "onnxruntime", "scipy.stats", "scipy.special", "scipy.io"}
COMPILERS = {"torch._inductor", "torch._dynamo", "sympy", "triton"}
PROGRAM = """
import json, runpy, sys
report = open({report!r}, "w")
try:
    runpy.{run}({target!r}, run_name="__main__")
finally:
    json.dump(sorted(sys.modules), report)
"""


def imported(tmp_path, target, *words, status=0, python=sys.executable):
    """The modules that a command or a worker has imported when it ends."""
    report, run = tmp_path / "modules.json", "run_path" if target.endswith(".py") else "run_module"
    code = f"import sys; sys.argv = {[target, *map(str, words)]!r}\n"
    code += PROGRAM.format(report=str(report), run=run, target=target)
    path = {"PYTHONPATH": helpers.PROJECT_ROOT}
    helpers.run("-c", code, status=status, python=python, environment=path)
    return set(json.loads(report.read_text()))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command, tmp_path):
    assert not imported(tmp_path, f"compare/{command}.py", "--help") & HEAVY


@pytest.mark.parametrize(
    "words",
    [
        "benchmark --preset demo --epochs 0",
        "benchmark --preset demo --bits 5000",
        "benchmark --preset demo --cell torch:12:1 --seeds 2",
        "retrieve --index 0",
        "evaluate --query missing.npz",
        "convert missing.pt x.safetensors",
        "publish runs/demo",
    ],
)
def test_refused_options_import_nothing_heavy(words, tmp_path):
    command, *words = words.split()
    assert not imported(tmp_path, f"compare/{command}.py", *words, status=2) & HEAVY


def test_a_search_imports_no_figures_and_no_tables(small_suite, tmp_path):
    run = small_suite / "torch" / "bits12-seed2000"
    found = imported(tmp_path, "compare/retrieve.py", "--run", run, "--index", "0") & HEAVY
    assert found <= {"sklearn", "faiss", "numba"}  # the digits, the index and the relevance of items
    assert "faiss" in found


@pytest.mark.parametrize("module", WORKERS)
def test_refused_verbs_import_no_framework(module, tmp_path):
    assert not imported(tmp_path, module, "train", "--run", tmp_path, "--data", "digits", status=2) & HEAVY


def test_info_imports_no_compiler(framework, tmp_path):
    found = imported(tmp_path, f"{framework}_impl", "info", python=helpers.default_python(framework))
    assert framework in found
    assert not found & (COMPILERS | HEAVY - {framework})
