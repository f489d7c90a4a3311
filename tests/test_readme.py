"""The two READMEs say the same, and what they name exists."""

import re
from collections import Counter

import pytest

from tests.helpers import PROJECT_ROOT

READMES = ("README.md", "README.zh-CN.md")


def text_of(name):
    return (PROJECT_ROOT / name).read_text(encoding="utf-8")


def blocks(text):
    """Fenced blocks: commands with their output."""
    return re.findall(r"^```.*?^```", text, flags=re.MULTILINE | re.DOTALL)


def spans(text):
    """What stands between backticks in running text and tables."""
    return Counter(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)))


def targets(text):
    return Counter(re.findall(r"\]\(([^)]+)\)", text))


def test_commands_and_output_are_the_same_in_both_languages():
    english, chinese = map(text_of, READMES)
    assert len(blocks(english)) > 10
    assert blocks(english) == blocks(chinese)


def test_options_files_and_names_are_the_same_in_both_languages():
    english, chinese = (spans(text_of(name)) for name in READMES)
    assert sum(english.values()) > 100
    assert english - chinese == Counter()
    assert chinese - english == Counter()


def test_both_languages_have_the_same_sections_rows_and_links():
    english, chinese = map(text_of, READMES)
    for pattern in (r"^#+ ", r"^\| ", r"^- "):
        found = [len(re.findall(pattern, text, flags=re.MULTILINE)) for text in (english, chinese)]
        assert found[0] == found[1] > 3
    names = Counter(READMES)  # each links to the other
    assert targets(english) - names == targets(chinese) - names


@pytest.mark.parametrize("name", READMES)
def test_named_files_exist(name):
    named = set(re.findall(r"\b((?:compare|tests|shared|torch_impl|paddle_impl|results)/[\w/.-]+\.\w+)", text_of(name)))
    assert len(named) > 10
    assert not [file for file in named if not (PROJECT_ROOT / file).exists()]


@pytest.mark.parametrize("name", READMES)
def test_pictures_given_to_commands_are_in_the_repository(name):
    given = re.findall(r"(?:--image |--data-binary @)(\S+)", "".join(blocks(text_of(name))))
    assert len(given) > 2
    assert not [file for file in given if not (PROJECT_ROOT / file).exists()]
