"""README and docs/ say the same in both languages, stay short, and name only what exists: files, options, messages."""

import argparse
import ast
import importlib
import re
import shlex
from collections import Counter

import pytest

from shared.worker import cli
from tests.helpers import PROJECT_ROOT
from tests.pages import CHINESE, ENGLISH, FENCED, blocks, text_of

SOURCE = ("shared", "compare", "torch_impl", "paddle_impl")
PAIRS = dict(zip(ENGLISH, CHINESE, strict=True))
PAGES = [*ENGLISH, *CHINESE]
OTHERS = ["CONTRIBUTING.md", "CHANGELOG.md"]
COMMAND = re.compile(r"python compare/(\w+)\.py\b|python -m (torch_impl|paddle_impl)\b")
# what a shell would put in its place
VARIABLES = {"$cell": "torch:12:2000"}
# of other programs
FOREIGN_OPTIONS = {"--bit", "--pic_id"}


def prose(text):
    return FENCED.sub("", text)


def spans(text):
    """What stands between backticks in running text and tables."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def links(name):
    """(file, anchor) of every link within the project, the file by its path from the root."""
    for target in re.findall(r"\]\(([^)]+)\)", text_of(name)):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            file = (PROJECT_ROOT / name).parent / path if path else PROJECT_ROOT / name
            yield file.resolve().relative_to(PROJECT_ROOT.resolve()).as_posix(), anchor


def anchors(name):
    """Those of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(text_of(name)), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines(text):
    """Everything that a reader may type, from blocks and running text, as words."""
    lines = [line.removeprefix("$ ") for block in blocks(text) for line in block.splitlines()[1:-1]]
    for line in [*lines, *spans(text)]:
        if line.startswith(("make", "python")):
            yield [VARIABLES.get(word, word) for word in shlex.split(line, comments=True)]


def parser_of(match):
    command, worker = match.groups()
    return cli.build_parser(worker) if worker else importlib.import_module(f"compare.{command}").build_parser()


def literals():
    """Every string of the source but docstrings, with ... for what is filled in."""
    for package in SOURCE:
        for file in (PROJECT_ROOT / package).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
            apart = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
            apart |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
            for node in nodes:
                if isinstance(node, ast.JoinedStr):
                    yield "".join(part.value if isinstance(part, ast.Constant) else "..." for part in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
                    yield node.value


def test_every_page_has_its_translation():
    assert {f"docs/zh/{file.name}" for file in (PROJECT_ROOT / "docs" / "zh").iterdir()} == set(CHINESE[1:])
    assert len(PAGES) == 2 * 16


@pytest.mark.parametrize("name", ENGLISH)
def test_both_languages_have_the_same_commands_names_and_links(name):
    english, chinese = text_of(name), text_of(PAIRS[name])
    assert blocks(english) == blocks(chinese)
    assert Counter(spans(english)) == Counter(spans(chinese))
    assert len(spans(english)) > 4
    for pattern in (r"^#+ ", r"^\| ", r"^- ", r"^\d\. "):
        counts = [len(re.findall(pattern, prose(text), flags=re.MULTILINE)) for text in (english, chinese)]
        assert counts[0] == counts[1], pattern
    in_english = {chinese: english for english, chinese in PAIRS.items()}
    targets = [
        Counter(in_english.get(file, file) for file, _ in links(page)) - Counter({name: 1})
        for page in (name, PAIRS[name])
    ]
    assert targets[0] == targets[1]


def test_pages_stay_short():
    assert len(text_of("README.md").split()) <= 1000
    assert all(text_of(name).count("\n") <= 150 for name in ("README.md", "README.zh-CN.md"))
    assert not [name for name in PAGES if text_of(name).count("\n") > 200]
    assert text_of("CONTRIBUTING.md").count("\n") <= 50


@pytest.mark.parametrize("name", [*PAGES, *OTHERS])
def test_links_lead_somewhere(name):
    for file, anchor in links(name):
        assert (PROJECT_ROOT / file).exists(), file
        assert not anchor or anchor in anchors(file), f"{file}#{anchor}"


def test_every_page_is_linked_from_the_front_door():
    assert {file for file, _ in links("README.md")} >= {*ENGLISH[1:], *OTHERS, "CITATION.cff", "LICENSE"}


@pytest.mark.parametrize("name", [*PAGES, "CONTRIBUTING.md"])
def test_named_files_exist(name):
    pattern = r"\b((?:compare|tests|shared|torch_impl|paddle_impl|results|docs)/[\w/.-]+\.\w+)"
    named = re.findall(pattern, text_of(name), flags=re.ASCII)
    named += re.findall(r"(?:--image |--data-binary @)([a-z]\S+)", "".join(blocks(text_of(name))))
    assert not [file for file in named if not (PROJECT_ROOT / file).exists()]


@pytest.mark.parametrize("name", [*ENGLISH, "CONTRIBUTING.md"])
def test_commands_are_understood(name):
    for words in command_lines(text_of(name)):
        if match := COMMAND.match(" ".join(words)):
            assert not [word for word in words if "..." in word]
            parser_of(match).parse_args([word for word in words[3 if match[2] else 2 :] if word != "--help"])


def test_there_are_commands_to_check():
    found = [
        match for name in ENGLISH for words in command_lines(text_of(name)) if (match := COMMAND.match(" ".join(words)))
    ]
    assert len(found) > 30
    assert {match[1] for match in found} >= {"benchmark", "align", "convert", "evaluate", "retrieve", "serve", "table"}


@pytest.mark.parametrize("name", [*ENGLISH, "CONTRIBUTING.md"])
def test_make_has_the_targets_and_variables(name):
    makefile = text_of("Makefile")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split())
    for words in command_lines(text_of(name)):
        if words[0] != "make":
            continue
        values = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        assert {word for word in words[1:] if "=" not in word} <= targets
        assert not [variable for variable in values if f"$({variable})" not in makefile]
        if "ARGS" in values:
            importlib.import_module("compare.benchmark").build_parser().parse_args(shlex.split(values["ARGS"]))


def options_of(parser):
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from options_of(verb)


def test_named_options_exist():
    commands = [file.stem for file in (PROJECT_ROOT / "compare").glob("[a-z]*.py")]
    parsers = [importlib.import_module(f"compare.{command}").build_parser() for command in commands]
    known = {option for parser in (*parsers, cli.build_parser("torch_impl")) for option in options_of(parser)}
    messages = set(messages_of("docs/troubleshooting.md"))
    named = {
        option
        for name in ENGLISH
        for span in spans(text_of(name))
        if span not in messages
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", span)
    }
    assert len(named) > 40
    assert named - known <= FOREIGN_OPTIONS


def messages_of(name):
    return re.findall(r"^\| `(.+?)` \| ", text_of(name), flags=re.MULTILINE)


def test_messages_stand_in_the_source():
    """A substring of one literal, with ... where it has a value filled in."""
    written = "\n".join(literals())
    messages = [message for message in messages_of("docs/troubleshooting.md") if message != "message"]
    messages += messages_of("docs/gpu.md")
    assert len(messages) > 80
    assert not [message for message in messages if message not in written or len(message) < 15]


def test_architecture_names_what_its_files_define():
    pairs = re.findall(r"`([\w/]+\.py)`: `(\w+)`", text_of("docs/architecture.md"))
    assert len(pairs) > 15
    for file, name in pairs:
        defined = rf"^ *(?:def {name}\(|class {name}\b|{name}\b[^=\n]* = )"
        assert re.search(defined, text_of(file), flags=re.MULTILINE), f"{file}: {name}"


def test_architecture_shows_every_folder():
    (tree,) = blocks(text_of("docs/architecture.md"))
    for package in ("shared", "compare"):
        listed = re.search(rf"^{package}/.*\n((?:  .*\n)+)", tree, flags=re.MULTILINE)[1]
        folders = {file.parent.name for file in (PROJECT_ROOT / package).glob("*/__init__.py")}
        assert set(re.findall(r"^  (\w+)/", listed, flags=re.MULTILINE)) == folders


def test_extras_are_installed_into_the_checkout():
    """Without -e the commands that run are a copy in site-packages."""
    texts = [*map(text_of, [*PAGES, *OTHERS]), *literals()]
    extras = [line for text in texts for line in re.findall(r"pip install [^\n]*\.\[[^\n]*", text)]
    assert len(extras) > 8
    assert not [line for line in extras if not line.startswith("pip install -e ")]


def test_one_version():
    version = re.search(r'^version = "(.+)"$', text_of("pyproject.toml"), flags=re.MULTILINE)[1]
    assert re.search(r"^## (\S+) \(", text_of("CHANGELOG.md"), flags=re.MULTILINE)[1] == version
    assert re.search(r"^version: (\S+)$", text_of("CITATION.cff"), flags=re.MULTILINE)[1] == version
