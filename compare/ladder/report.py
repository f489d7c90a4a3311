"""``align.json``: what climbing the ladder found, as it is read again."""

from pathlib import Path

from shared.system.errors import UserError
from shared.system.files import read_json
from shared.system.schema import FLAG, LINE, Each, Record, number, whole

ALIGN_FILE = "align.json"
_RECORD = Record(
    {"name": LINE, "passed": FLAG, "max_relative": number().or_none(), "note": LINE},
    later={"max_relative": None, "note": ""},
    open=True,
)
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
        "limits": Each(Record({"value": number(0), "reason": LINE}), key=LINE),
    },
    open=True,
)


def read_align(out: Path) -> dict:
    """What ``compare/align.py`` found, in the folder of a suite; UserError for a file unlike what it writes.

    Of a ladder that did not pass, the last rung is the one that failed, and a record of it says where.
    """
    file = out / ALIGN_FILE
    report = read_json(file, _REPORT)
    *below, last = report["rungs"] or [{"passed": None}]
    stopped = not all(record["passed"] for record in last.get("records", []))
    if not all(rung["passed"] for rung in below) or last["passed"] != report["passed"] or last["passed"] == stopped:
        raise UserError(f"{file}: its verdict is not that of its rungs; climb again (compare/align.py)")
    return report


def has_passed(out: Path) -> bool:
    """Whether the ladder was climbed for the suite in this folder, and passed; raises like ``read_align``."""
    return (out / ALIGN_FILE).exists() and read_align(out)["passed"]
