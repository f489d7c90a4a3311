"""A suite whose files were damaged: table and report succeed or name the file in a line, whatever was done to it."""

import dataclasses
import json
import random
import shutil

import numpy as np
import pytest

from compare.page.code_facts import facts_by_length
from compare.page.codes import code_facts, facts_as_json
from compare.page.content import content
from compare.page.data import read_suite
from compare.page.rerun import rerun_command
from compare.page.verdict import gather_evidence, verdict
from compare.tables.table import write_table
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes
from shared.config.recipe import PRESETS
from shared.system.errors import UserError
from shared.system.files import write_json
from shared.training.runs import run_of
from tests.rows import EPOCH, finish, plan

RECIPE = dataclasses.replace(PRESETS["demo"], bits=12, epochs=2)
VALUES = [None, True, -1, 0, 2, 0.5, -0.5, 1e300, "", "x", "\x1b[31m", [], {}, [[]], {"a": None}, list(range(7))]
# what json.dumps cannot write, or only in letters that are not allowed
LITERALS = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "9" * 30, '"\\ud800"', "[" * 3000, "[" * 60 + "]" * 60]
MARK = "a value to be replaced"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Two seeds in both frameworks, a control of one, a ladder, throughput and kept facts: every file there is."""
    out = tmp_path_factory.mktemp("sound")
    plan(out, seeds=[1, 2], unavailable={}, label="a label", threads=(2,))
    for framework in ("torch", "paddle"):
        for seed in (1, 2):
            recipe = dataclasses.replace(RECIPE, seed=seed)
            finish(out, recipe, framework, 0.5 + 0.1 * seed, precisions=[0.1, 0.9, 0.4], threads=2)
            run = run_of(out, framework, 12, seed)
            score = run.result()["map_last"]
            run.append_log(EPOCH | {"epoch": 1})
            run.append_log(EPOCH | {"epoch": 2, "map": score, "accuracy": 0.5, "encode_seconds": 1.0})
            finish(out / "control/threads", recipe, framework, 0.5 + 0.11 * seed, threads=1)
    write_json(out / "align.json", ladder())
    write_json(out / "throughput.json", {"table": [{"phase": "step", "s": "1"}], "notes": ["a note"]})
    of = {name: facts_as_json(code_facts(some_codes())) for name in ("torch", "paddle")}
    kept = {"seed": 1, "agreement": 0.5, "checkpoints": {"torch": "c", "paddle": "c"}, "of": of}
    write_json(out / "codes.json", {"12": kept})
    return out


def ladder():
    rung = {"rung": "forward", "shows": "x", "passed": True, "comparisons": 2, "measured": 1e-6, "limit": 1e-5}
    record = {"name": "float32 weights after step 1", "passed": True, "max_relative": 1e-7, "note": "a note"}
    rungs = [rung | {"tightest": "conv1", "records": [record]}] * 2
    limits = {"exact": {"value": 0.0, "reason": "copies"}}
    return {"passed": True, "verdict": "quick ladder: aligned", "planted": "", "rungs": rungs, "limits": limits}


def some_codes():
    generator = np.random.RandomState(0)
    bits, labels = generator.rand(60, 12) > 0.5, np.arange(60) % 10
    margin = np.ones((60, 12), np.float32)
    return Codes(np.arange(60), labels, pack_codes(bits), margin, labels, 10)


def read_everything(out, drawn):
    """What the commands make of the folder; anything but UserError is a fault."""
    try:
        write_table(out)
        material = read_suite(out)
        if drawn:
            content(material)
        facts_by_length(material)
        for member in material.members:
            if member.recipe:
                rerun_command(member.recipe, member.cell.framework, member.environment or {})
        return f"{verdict(gather_evidence(material))} {material.problems}"
    except UserError as error:
        return str(error)


def places(value, path=()):
    """The path of every value within ``value``."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in inner:
        yield from places(child, (*path, name))


def replaced(text, choose):
    """``text`` with one of its values replaced, removed or joined by a stranger, or with bytes of it changed."""
    kind = choose.random()
    if kind < 0.15:
        at = choose.randrange(len(text))
        junk = choose.choice(["", "\x00", "[" * 100, ",", text[:200], "\udcff"])
        return (text[:at] + junk + text[at + choose.randrange(3) :]).encode("utf-8", "surrogateescape")
    lines = text.split("\n") if text.count("\n{") else [text]
    number = choose.randrange(len([line for line in lines if line]))
    lines[number] = changed_json(json.loads(lines[number]), choose)
    return "\n".join(lines).encode()


def changed_json(value, choose):
    *path, last = choose.choice([place for place in places(value) if place] or [("x",)])
    parent = value
    for name in path:
        parent = parent[name]
    action = choose.random()
    if action < 0.15:
        del parent[last]
    elif action < 0.25 and isinstance(parent, dict):
        parent["stranger"] = 1
    elif action < 0.7:
        parent[last] = choose.choice(VALUES)
    else:
        parent[last] = MARK
        return json.dumps(value).replace(json.dumps(MARK), choose.choice(LITERALS))
    return json.dumps(value)


def damage(out, choose):
    """Spoil one file; its name."""
    files = sorted(file for file in out.rglob("*") if file.suffix in {".json", ".jsonl", ".csv"})
    file = choose.choice([file for file in files if not file.name.startswith("table")])
    text = file.read_text()
    if file.suffix == ".csv":
        junk = choose.choice(["9" * 200_000, "nan", "inf", "-1", '"', "\x00", "", "\udcff", "1,2,3", "1e400", "\r"])
        spoiled = text.replace("0.9", junk).encode("utf-8", "surrogateescape")
    else:
        spoiled = replaced(text, choose)
    file.write_bytes(spoiled)
    return file


def try_damages(sound, tmp_path, seeds, drawn):
    noticed = 0
    for seed in seeds:
        out = tmp_path / str(seed)
        shutil.copytree(sound, out)
        file = damage(out, random.Random(seed))
        noticed += file.name in read_everything(out, drawn)
        shutil.rmtree(out)
    return noticed


def test_a_sound_suite_has_no_problems(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "suite")
    said = read_everything(tmp_path / "suite", drawn=True)
    assert "n = 2" in said
    assert said.endswith("[]")


def test_damage_ends_in_a_line_that_names_the_file(sound, tmp_path):
    assert try_damages(sound, tmp_path, range(150), drawn=False) > 90


@pytest.mark.slow
def test_reports_of_damaged_suites(sound, tmp_path):
    assert try_damages(sound, tmp_path, range(10_000, 11_000), drawn=True) > 600
