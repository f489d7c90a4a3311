"""Reading ``align.json``, the ladder's report."""

import re
from pathlib import Path

from shared.system.errors import UserError, printable
from shared.system.files import read_json
from shared.system.schema import FLAG, LINE, Each, Record, number, whole

ALIGN_FILE = "align.json"
_RECORD = Record(
    {
        "name": LINE,
        "passed": FLAG,
        "max_relative": number().or_none(),
        "note": LINE,
        "growth_step": whole(1).or_none(),
        "differing_bits": whole().or_none(),
    },
    later={"max_relative": None, "note": "", "growth_step": None, "differing_bits": None},
    open=True,
)
# where older versions wrote the step and the bits of a record of growth
_GROWTH_NAME = re.compile(r"float32 weights after step (\d{1,9})")
_GROWTH_NOTE = re.compile(r"reported only; (\d{1,9}) training code bits differed so far")
_RUNG = Record(
    {
        "rung": LINE,
        "shows": LINE,
        "passed": FLAG,
        "comparisons": whole(),
        "measured": number(0),
        "limit": number(0),
        "tightest": LINE,
        "records": [_RECORD],
    },
    open=True,
)
_REPORT = Record(
    {
        "passed": FLAG,
        "verdict": LINE,
        "planted": LINE,
        "rungs": [_RUNG],
        "rule": LINE,
        "limits": Each(Record({"value": number(0), "reason": LINE}), key=LINE),
    },
    later={"rule": ""},
    open=True,
)


def read_align(out: Path) -> dict:
    """What ``compare/align.py`` found, in the folder of a suite; UserError for a file unlike what it writes.

    Of a ladder that did not pass, the last rung is the one that failed, and a record of it says where. A record with
    a ``growth_step`` has a ``max_relative``.
    """
    file = out / ALIGN_FILE
    report = read_json(file, _REPORT)
    *below, last = report["rungs"] or [{"passed": None}]
    stopped = not all(record["passed"] for record in last.get("records", []))
    if not all(rung["passed"] for rung in below) or last["passed"] != report["passed"] or last["passed"] == stopped:
        raise UserError(f"{file}: its verdict is not that of its rungs; run it again (compare/align.py)")
    for record in (record for rung in report["rungs"] for record in rung["records"]):
        _fill_in_growth(record)
        if record["growth_step"] is not None and record["max_relative"] is None:
            raise UserError(f"{file}: {printable(record['name'])}: expected max_relative, received null")
    return report


def _fill_in_growth(record: dict) -> None:
    if record["growth_step"] is None and (name := _GROWTH_NAME.fullmatch(record["name"])):
        note = _GROWTH_NOTE.fullmatch(record["note"])
        record |= {"growth_step": int(name[1]), "differing_bits": int(note[1]) if note else None}


def has_passed(out: Path) -> bool:
    """Whether the ladder was run for the suite in this folder, and passed; raises like ``read_align``."""
    return (out / ALIGN_FILE).exists() and read_align(out)["passed"]
