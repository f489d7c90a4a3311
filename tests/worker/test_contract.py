"""Both implementations offer what shared.worker.contract says, and are mirror files of one another."""

# ruff: noqa: ARG005 - signatures are what is compared
import ast
import inspect
import json

import pytest

from shared.worker import contract
from tests import helpers
from tests.children.contract import OFFERS, differences, missing_values

# one framework's own: files, and names that the other does without
OWN_FILES = {
    "torch": {"checkpoint_writer", "injected_faults", "lit", "torchvision_weights"},
    "paddle": {"flags", "train"},
}
OWN_NAMES = {
    # each layer and optimiser is called as its framework's own
    "torch": {"kernels": {"Conv2d", "Conv2d.forward", "SGD", "SGD.step"}},
    "paddle": {
        "kernels": {"Conv2D", "Conv2D.forward", "Momentum"},
        "model": {"Conv2D", "Conv2D.forward"},  # a bias that is added over whole arrays
        "runtime": {"use_all_threads"},  # a predictor takes them away
    },
}


def files_of(framework):
    return {file.stem: file for file in (helpers.PROJECT_ROOT / f"{framework}_impl").glob("[a-z]*.py")}


def public_names(text):
    """Public functions, classes and their methods, in the order of a file."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    for node in (node for node in ast.parse(text).body if isinstance(node, kinds) and not node.name.startswith("_")):
        yield node.name
        for inner in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(inner, kinds) and not inner.name.startswith("_"):
                yield f"{node.name}.{inner.name}"


def test_implementation_offers_the_contract(framework):
    assert json.loads(helpers.child(framework, "contract", framework).stdout.splitlines()[-1]) == []


def test_both_implementations_have_the_same_files():
    files = {framework: set(files_of(framework)) for framework in OWN_FILES}
    assert files["torch"] - OWN_FILES["torch"] == files["paddle"] - OWN_FILES["paddle"]
    assert all(OWN_FILES[framework] <= files[framework] for framework in OWN_FILES)


@pytest.mark.parametrize("name", sorted(set(files_of("torch")) & set(files_of("paddle"))))
def test_mirror_files_have_the_same_public_names_in_the_same_order(name):
    shared_names = {}
    for framework, own in OWN_NAMES.items():
        names = list(public_names(files_of(framework)[name].read_text()))
        assert own.get(name, set()) <= set(names)
        shared_names[framework] = [each for each in names if each not in own.get(name, set())]
    assert shared_names["torch"] == shared_names["paddle"]


def test_every_part_of_the_contract_is_compared():
    protocols = {kind for _, kind in inspect.getmembers(contract, inspect.isclass) if getattr(kind, "_is_protocol", 0)}
    assert protocols - {contract.Protocol} == set(OFFERS.values())


class Wanted:
    here: int

    def __init__(self, job): ...
    def f(self, a, b=1): ...


@pytest.mark.parametrize(
    ("start", "function", "expected"),
    [
        (lambda self, job: None, lambda self, a, b=1: None, []),
        (lambda self, jobs: None, lambda self, a, b=1: None, ["__init__"]),
        (lambda self, job: None, lambda self, b, a=1: None, ["f"]),
        (lambda self, job: None, lambda self, a, b=2: None, ["f"]),
        (lambda self, job: None, lambda self, a, *, b=1: None, ["f"]),
        (lambda self, job: None, lambda self, a, b=1, c=2: None, ["f"]),
        (lambda self, job: None, None, ["f"]),
    ],
    ids=["same", "another name", "order", "default", "kind", "one more", "no function"],
)
def test_differences_are_seen(start, function, expected):
    offered = type("Offered", (), {"__init__": start, "f": function})
    assert [difference.split()[0].rstrip(":") for difference in differences(Wanted, offered)] == expected
    assert missing_values(Wanted, offered) == ["here is missing"]


def test_order_of_names_is_seen():
    assert list(public_names("def a(): ...\nclass B:\n  def c(self): ...\n  def _d(self): ...\ndef _e(): ...")) == [
        "a",
        "B",
        "B.c",
    ]
