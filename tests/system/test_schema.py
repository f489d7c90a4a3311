"""The one check of values read from JSON: what fits, what is refused, and in which words."""

import pytest

from shared.system.errors import UserError
from shared.system.files import read_json
from shared.system.schema import (
    DECIMAL,
    FLAG,
    LINE,
    SHARE,
    TEXT,
    Each,
    Maybe,
    Record,
    Row,
    checked,
    number,
    one_of,
    parse_json,
    whole,
)

SUITE = Record({"label": LINE, "threads": [whole(1)]}, later={"threads": []})


def test_an_absent_later_field_takes_its_default_and_an_unknown_one_is_of_a_newer_version():
    assert checked({"label": "x"}, SUITE, "f") == {"label": "x", "threads": []}
    assert checked({"label": "x", "threads": [2]}, SUITE, "f") == {"label": "x", "threads": [2]}
    with pytest.raises(UserError, match=r"^f: unknown colour; written by a newer version"):
        checked({"label": "x", "colour": 1}, SUITE, "f")
    with pytest.raises(UserError, match=r"^f: missing label; "):
        checked({"threads": []}, SUITE, "f")
    assert checked({"a": 1, "b": None}, Record({"a": whole()}, open=True), "f") == {"a": 1, "b": None}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (whole(1, 5), [1, 5], [0, 6, 1.0, True, "1", None]),
        (number(above=0), [1e-9, 3], [0, -1, True, "1", None, []]),
        (number(0, 2), [0, 2, 0.5], [-0.1, 2.1]),
        (SHARE, [0, 1, 0.5, 1 + 1e-12], [1.1, -0.1, None]),
        (TEXT, ["", "a\nb"], [None, 1, []]),
        (LINE, ["", "é"], ["a\nb", "\x1b[31m", 1]),
        (DECIMAL, ["0", "12"], ["", "-1", "\uff11", "²", "1.0", 1]),
        (FLAG, [True, False], [0, 1, None, "true"]),
        (one_of("a", "b"), ["a"], ["c", None, ["a"], {}]),
        (whole().or_none(), [None, 3], ["3", -1]),
        (Maybe(Record({"a": whole()})), [None, {"a": 1}], [{"a": None}, {"a": "1"}, 1, []]),
        ([whole()], [[], [1, 2]], [None, {}, [1, "2"], "12"]),
        (Row((whole(), LINE)), [[1, "a"]], [[1], [1, "a", 2], ["a", 1], None]),
        (Each(whole(), key=DECIMAL), [{}, {"1": 2}], [{"a": 1}, {"1": "2"}, [], None]),
    ],
)
def test_what_fits_and_what_does_not(schema, good, bad):
    for value in good:
        assert checked(value, schema, "f") == value
    for value in bad:
        with pytest.raises(UserError, match=r"^f.*expected .*received "):
            checked(value, schema, "f")


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "NaN", '{"a": Infinity}', "[-Infinity]", "1e999", "9" * 5000, str(2**63)),
        *("[" * 200_000, "[" * 60 + "]" * 60, '"\\ud800"', '{"\\udfff": 1}', '"a\nb"'),
        *(b"\xff\xfe\x00", b'"\xe9"'),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_no_file_of_this_project_holds_is_refused(text):
    with pytest.raises(UserError, match=r"^f: expected ") as caught:
        parse_json(text, "f")
    assert len(str(caught.value)) < 400


def test_json_is_read_as_it_was_meant():
    text = '{"a": [1, 2.5, -3e2, null, true, "\\u00e9\\ud83d\\ude00"]}'
    assert parse_json(text, "f") == {"a": [1, 2.5, -300.0, None, True, "é😀"]}


def test_files_that_are_none_are_named(tmp_path):
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "large.json").write_text('"' + "a" * 2000 + '"')
    with pytest.raises(UserError, match=r"none\.json: expected a JSON file .* No such file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(UserError, match="what is no file"):
        read_json(tmp_path)
    with pytest.raises(UserError, match="expected an object of named values, received list"):
        read_json(tmp_path / "list.json")
    with pytest.raises(UserError, match="expected at most 1000 bytes, received 2002"):
        read_json(tmp_path / "large.json", most_bytes=1000)
