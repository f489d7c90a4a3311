"""The dependency rule: no framework in shared, compare and the tests; no implementation needs the other's."""

import ast
import importlib.util
import sys

import pytest

from compare.frameworks.worker import default_python
from shared.checkpoint import weights
from shared.network.initial import initial_weights
from shared.training.runs import Run
from tests import helpers

FRAMEWORKS = {"torch", "torchvision", "lightning", "pytorch_lightning", "torchmetrics", "paddle"}
FORBIDDEN = {
    "shared": FRAMEWORKS | {"torch_impl", "paddle_impl", "compare"},
    "compare": FRAMEWORKS | {"torch_impl", "paddle_impl"},
    "tests": FRAMEWORKS | {"torch_impl", "paddle_impl"},
    "torch_impl": {"paddle", "paddle_impl", "compare"},
    "paddle_impl": FRAMEWORKS - {"paddle"} | {"torch_impl", "compare"},
}
BLOCK = """
import runpy, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Blocker())
"""
OTHERS = {"torch": {"paddle"}, "paddle": FRAMEWORKS - {"paddle"}}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_obey_the_rule(package):
    files = [f for f in (helpers.PROJECT_ROOT / package).rglob("*.py") if "children" not in f.parts]
    assert files
    found = {(file.name, name) for file in files for name in imports(file) if name in FORBIDDEN[package]}
    assert not found


# in the order in which a datum passes: each folder imports only what stands before it, and itself
_SHARED = "system readers config network kernels data codes scoring checkpoint training worker"
_COMPARE = (
    "installation frameworks suite ladder stats tables page publishing conversion scores search serving speed "
    "diagnosis pipeline"
)
ORDERS = {"shared": _SHARED.split(), "compare": _COMPARE.split()}
FOLDERS = [(package, folder) for package, order in ORDERS.items() for folder in order]


def folders_imported(path, package):
    """The folders of a package, or modules beside them, that a file imports from."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == package:
            yield from [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]


@pytest.mark.parametrize(("package", "folder"), FOLDERS)
def test_folders_import_only_what_stands_before_them(package, folder):
    files = list((helpers.PROJECT_ROOT / package / folder).glob("[a-z]*.py"))
    assert files
    allowed = set(ORDERS[package][: ORDERS[package].index(folder) + 1])
    assert not {(file.name, name) for file in files for name in folders_imported(file, package) if name not in allowed}


def test_nothing_but_commands_lies_beside_the_folders():
    for package, order in ORDERS.items():
        paths = {path for path in (helpers.PROJECT_ROOT / package).iterdir() if path.name != "__pycache__"}
        beside = {path.name for path in paths} - {*order, "__init__.py"}
        assert beside == {path.name for path in paths if path.is_file() and "exit_status(main)" in path.read_text()}


def test_scanner_sees_another_folder(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    from shared.worker.cli import x\nfrom shared import codes\n")
    assert set(folders_imported(tmp_path / "a.py", "shared")) == {"worker", "codes"}


def test_scanner_sees_a_forbidden_import(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    from torch.nn import Linear\n    import paddle as p\n")
    assert set(imports(tmp_path / "a.py")) == {"torch", "paddle"}


def test_pytest_process_has_no_framework():
    assert not FRAMEWORKS & set(sys.modules)


def test_shared_and_compare_import_without_any_framework():
    files = [
        file.relative_to(helpers.PROJECT_ROOT)
        for package in ("shared", "compare")
        for file in (helpers.PROJECT_ROOT / package).rglob("[a-z]*.py")
    ]
    modules = [".".join(file.with_suffix("").parts) for file in files]
    assert {"shared.config.recipe", "compare.benchmark", "compare.ladder.rungs"} <= set(modules)
    helpers.run("-c", BLOCK.format(blocked=FRAMEWORKS) + f"for name in {modules}: __import__(name)")


def test_worker_trains_with_the_other_framework_blocked(framework, tmp_path):
    recipe = helpers.small_recipe(epochs=1, width=1 / 32)
    Run(tmp_path).prepare(recipe)
    initial = tmp_path / "initial.safetensors"
    weights.save(initial, initial_weights(recipe, {}), {})
    arguments = ["worker", "train", "--run", str(tmp_path), "--data", "digits", "--initial-weights", str(initial)]
    program = f"sys.argv = {arguments}\nrunpy.run_module('{framework}_impl', run_name='__main__')"
    helpers.run("-c", BLOCK.format(blocked=OTHERS[framework]) + program, python=default_python(framework))
    assert Run(tmp_path).is_finished()


@pytest.mark.parametrize("file", sorted((helpers.PROJECT_ROOT / "compare").glob("[a-z]*")), ids=lambda file: file.stem)
def test_commands_shadow_no_installed_module(file):
    """``python compare/benchmark.py`` puts compare/ first on the path, for every library the command imports."""
    assert importlib.util.find_spec(file.stem) is None
