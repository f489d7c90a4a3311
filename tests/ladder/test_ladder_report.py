"""align.json as it is read again: a record's numbers, from its fields or from the words of older versions."""

import json

import pytest

from compare.ladder.records import growth_record
from compare.ladder.report import read_align
from shared.system.errors import UserError

OLD = {
    "name": "float32 weights after step 20",
    "passed": True,
    "max_relative": 1e-7,
    "note": "reported only; 89 training code bits differed so far",
}


def read_record(out, record):
    rung = {"rung": "trajectory", "shows": "x", "passed": True, "comparisons": 1, "measured": 0.0, "limit": 0.0}
    report = {"passed": True, "verdict": "aligned", "planted": "", "limits": {}}
    report |= {"rungs": [rung | {"tightest": "", "records": [record]}]}
    (out / "align.json").write_text(json.dumps(report))
    return read_align(out)["rungs"][0]["records"][0]


def test_growth_is_told_by_fields(tmp_path):
    record = growth_record("trajectory", 20, 1e-7, 89)._asdict() | {"name": "words for people", "note": "others"}
    read = read_record(tmp_path, record)
    assert (read["growth_step"], read["differing_bits"]) == (20, 89)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (20, 89)),
        ({"note": "a note"}, (20, None)),
        ({"name": "step 20 weight.fc6.weight"}, (None, None)),
        ({"name": "float32 weights after step"}, (None, None)),
    ],
)
def test_growth_in_files_of_older_versions(changes, expected, tmp_path):
    read = read_record(tmp_path, OLD | changes)
    assert (read["growth_step"], read["differing_bits"]) == expected


def test_what_is_written_today_reads_as_what_was_written_before(tmp_path):
    new = growth_record("trajectory", 20, 1e-7, 89)
    assert {name: getattr(new, name) for name in OLD} == OLD


@pytest.mark.parametrize(
    "damage",
    [{"max_relative": None}, {"growth_step": 0}, {"growth_step": 2.5}, {"growth_step": 1, "differing_bits": "x"}],
)
def test_damaged_growth_is_refused(damage, tmp_path):
    with pytest.raises(UserError, match=r"align\.json"):
        read_record(tmp_path, OLD | damage)
