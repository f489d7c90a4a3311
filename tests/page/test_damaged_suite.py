"""A suite whose files were damaged: table and report succeed or name the file in a line, whatever was done to it."""

import shutil

import pytest

from tests.fuzz.driver import make_case, make_seeds
from tests.fuzz.suites import read_everything


@pytest.fixture(scope="module")
def valid_suite(tmp_path_factory):
    return make_seeds(tmp_path_factory.mktemp("valid") / "suite", "suite")


def test_a_valid_suite_has_no_problems(valid_suite, tmp_path):
    shutil.copytree(valid_suite / "suite", tmp_path / "suite")
    text = read_everything(tmp_path / "suite", drawn=True)
    assert "n = 2" in text
    assert text.endswith("[]")


def test_damage_ends_in_a_line_that_names_the_file(valid_suite, tmp_path):
    """Most of it: damage to a text that is only shown is not to be seen."""
    named = 0
    for number in range(100):
        file = make_case(valid_suite, "suite", number, tmp_path / "suite")
        named += file.name in read_everything(tmp_path / "suite", drawn=False)
        shutil.rmtree(tmp_path / "suite")
    assert named > 60
