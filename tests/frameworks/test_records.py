"""One record per framework: nothing else in ``compare`` spells a framework's name, and an unknown key is one line."""

import re

import pytest

from compare.frameworks.records import FRAMEWORKS, SIDES, pairs, run_order, titles
from compare.search.run_queries import open_run
from compare.suite.grid import read_grid
from shared.config.recipe import PRESETS
from shared.system.errors import UserError
from shared.training.runs import run_of
from tests import helpers
from tests.rows import finish, plan

NAMES = re.compile("paddle|torch|lightning", re.IGNORECASE)
# other projects, and a library
OTHERS = re.compile("paddle_greedyhash|DeepHash-pytorch|torchvision", re.IGNORECASE)
# what is about one framework
ALLOWED = {
    "benchmark.py": "what the command is for",
    "retrieve.py": "examples of run folders",
    "evaluate.py": "an example of a run folder",
    "convert.py": "file formats",
    "conversion/convert.py": "file formats",
    "frameworks/records.py": "the records",
    "installation/table.py": "the frameworks' wheels",
    "installation/choice.py": "what to install instead of PaddlePaddle",
    "installation/plan.py": "torchvision's version follows PyTorch's",
    "installation/folder.py": "which environment installs which wheels",
    "installation/cuda_links.py": "what PaddlePaddle's wheel looks for",
    "scores/arrays.py": "files of torch.save",
    "scores/names.py": "files of torch.save",
    "suite/backbone.py": "torchvision's weights, which PyTorch's worker fetches",
    "tables/published.py": "columns and curves of the published implementations",
}


def names_a_framework(text):
    return set(NAMES.findall(OTHERS.sub("", text)))


def files():
    folder = helpers.PROJECT_ROOT / "compare"
    paths = [file for file in folder.rglob("*") if file.suffix in {".py", ".j2", ".js", ".css", ".html"}]
    return {str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in paths}


def test_frameworks_are_named_in_their_records_alone():
    texts = files()
    assert {"page/templates/report.html.j2", "serving/templates/serve.js", "ladder/rungs.py"} <= texts.keys()
    assert {name for name, text in texts.items() if names_a_framework(text)} == ALLOWED.keys()


@pytest.mark.parametrize("text", ["NAMES = ('Paddle',)", "# as torch has it", 'data-framework="torch"', "LightningX"])
def test_scanner_sees_names(text):
    assert names_a_framework(text)


def test_scanner_passes_over_other_projects():
    assert not names_a_framework("paddle_greedyhash, DeepHash-pytorch and torchvision")


def test_reference_comes_first_and_runs_are_in_the_order_of_folders():
    assert [str(pair) for pair in pairs()] == ["Paddle - PyTorch"]
    assert (*FRAMEWORKS,) == ("torch", "paddle")
    assert run_order() == [*SIDES] == ["paddle", "torch"]
    assert titles(["torch"]) == "PyTorch Lightning"
    assert titles(["paddle", "torch"]) == "PaddlePaddle and PyTorch Lightning"


def test_every_worker_is_a_package_and_writes_what_its_record_says():
    for record in FRAMEWORKS.values():
        assert (helpers.PROJECT_ROOT / record.module / "__main__.py").exists()
    formats = {record.key: record.export_formats for record in FRAMEWORKS.values()}
    assert formats == {"torch": ["onnx", "torch-export"], "paddle": ["paddle-inference"]}


def test_a_framework_without_a_record_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^framework: expected paddle or torch, received 'jax'$"):
        FRAMEWORKS["jax"]
    plan(tmp_path, frameworks=["jax"])
    with pytest.raises(UserError, match=r"suite\.json: frameworks\[0\]: expected paddle or torch, received 'jax'"):
        read_grid(tmp_path)
    finish(tmp_path, PRESETS["demo"], "jax", 0.5)
    run = run_of(tmp_path, "jax", PRESETS["demo"].bits, PRESETS["demo"].seed)
    with pytest.raises(UserError, match=r"result\.json: framework: expected paddle or torch, received 'jax'"):
        open_run(run.folder, None)
