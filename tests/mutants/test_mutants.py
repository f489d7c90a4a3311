"""Mistakes planted one at a time, each of which a test must catch: the tests' own test.

``mutants.toml`` lists them: a ``name``, the ``file``, the ``text`` that stands there once, what takes its place
(``mistake``), and the test that must fail then (``test``), as pytest calls it; parameters may be left out.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import helpers

tomllib = pytest.importorskip("tomllib", reason="a module of Python 3.11")
MUTANTS = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text(encoding="utf-8"))["mutant"]
TESTS = sorted({mutant["test"] for mutant in MUTANTS})
NAMES = [mutant["name"] for mutant in MUTANTS]


def test_every_mutant_can_be_planted():
    assert [name for name, times in Counter(NAMES).items() if times > 1] == []
    found = {}
    for mutant in MUTANTS:
        content = (helpers.PROJECT_ROOT / mutant["file"]).read_text(encoding="utf-8")
        found[mutant["name"]] = content.count(mutant["text"])
        assert mutant["text"] != mutant["mistake"]
    assert {name: times for name, times in found.items() if times != 1} == {}


@pytest.mark.parametrize("test", TESTS)
def test_every_test_that_must_catch_one_exists(test):
    file, function = test.partition("[")[0].split("::")
    tree = ast.parse((helpers.PROJECT_ROOT / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_their_parameters_exist(request):
    """Of the tests that stand in the files that pytest has collected: all, when it runs the whole suite."""
    known = {item.nodeid for item in request.session.items}
    functions = {name.partition("[")[0] for name in known}
    named = {test for test in TESTS if "[" in test and test.partition("[")[0] in functions}
    assert named <= known


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """This project as it lies here, but for what git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=helpers.PROJECT_ROOT, capture_output=True, text=True, check=False).stdout
    if not listed:
        pytest.skip("the project's files are those that git knows, and this is no checkout")
    folder = tmp_path_factory.mktemp("mutants") / "project"
    for name in listed.rstrip("\0").split("\0"):
        source, target = helpers.PROJECT_ROOT / name, folder / name
        if source.is_file():  # it may have been removed since git heard of it
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return folder


def outcomes(folder, test):
    """How often the test passed, failed, could not be run and was skipped there, and what pytest said."""
    report = folder.parent / "report.xml"
    report.unlink(missing_ok=True)
    # a session's own interpreters are another folder's
    own = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GREEDYHASH_", "PYTEST_"))}
    options = ["-q", "-x", "-m", "", "-p", "no:cacheprovider", f"--basetemp={folder.parent / 'tmp'}"]
    command = [sys.executable, "-m", "pytest", *options, f"--junit-xml={report}", test]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, cwd=folder, env=environment | own, timeout=1200, check=False, **pipes)
    assert report.exists(), done.stdout
    suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest wrote it
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    passed = counts.pop("tests") - sum(counts.values())
    return done.returncode, counts | {"passed": passed}, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("test", TESTS)
def test_without_a_mistake_it_passes(test, copy):
    status, counts, said = outcomes(copy, test)
    assert (status, counts["failures"], counts["errors"]) == (0, 0, 0), said
    assert counts["passed"] > 0, said


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_the_mistake_is_caught(mutant, copy):
    file = copy / mutant["file"]
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace(mutant["text"], mutant["mistake"]), encoding="utf-8")
    try:
        status, counts, said = outcomes(copy, mutant["test"])
    finally:
        file.write_text(whole, encoding="utf-8")
    assert (status, counts["failures"], counts["errors"]) == (1, 1, 0), said
