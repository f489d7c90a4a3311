"""``compare/align.py`` as a user calls it: what it prints, lists, writes and refuses."""

import json
import shutil

import pytest

from compare import align
from compare.ladder.faults import FAULTS
from compare.ladder.rungs import RUNGS, rungs_called
from shared.system.errors import UserError
from tests import helpers
from tests.ladder.tiny import BITS


def test_command_reports_an_injected_fault(tmp_path):
    options = ("--bits", BITS, "--inject", "swapped-biases", "--rungs", "weights")
    done = helpers.run("compare/align.py", *options, "--out", tmp_path, status=1)
    assert "FAIL  weights" in done.stdout
    assert "first to diverge: torch: weight.conv4.bias" in done.stdout
    report = json.loads((tmp_path / "align-some-rungs.json").read_text())
    assert report["passed"] is False
    assert report["rungs"][-1]["rung"] == "weights"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--inject", "x"], "--inject: expected list, tf32,"),
        (["--steps", "0"], "--steps"),
        (["--rungs", "gradient"], "received 'gradient'; did you mean gradients?"),
        (["--rungs"], "--rungs"),
    ],
)
def test_bad_options(options, message):
    assert message in helpers.run("compare/align.py", *options, status=2).stderr


def test_faults_can_be_listed():
    listed = helpers.run("compare/align.py", "--inject", "list").stdout
    assert all(name in listed for name in FAULTS)


def test_name_of_the_option_in_older_versions():
    assert align.build_parser().parse_args(["--plant", "tf32"]).inject == "tf32"
    assert "--plant" not in align.build_parser().format_help()


def test_rungs_are_listed_with_what_each_needs(capsys):
    align.main(["--rungs", "list"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(RUNGS)
    assert all(line.startswith(rung.name) for line, rung in zip(lines, RUNGS, strict=True))
    assert all(need in line for line, rung in zip(lines, RUNGS, strict=True) for need in rung.needs)


def test_a_fault_without_its_rung_is_refused():
    with pytest.raises(UserError, match="expected losses among them, the rung that catches no-penalty"):
        align.main(["--inject", "no-penalty", "--rungs", "pixels", "forward"])


def test_rungs_are_named_as_shown_or_in_one_word():
    named = align.build_parser().parse_args(["--rungs", "rates", "split and order", "split-and-order"]).rungs
    assert [rung.name for rung in rungs_called(named)] == ["rates", "split and order"]


def test_some_rungs_alone_leave_the_report_of_a_whole_ladder_alone(tmp_path):
    """It is read again as the proof that both frameworks are aligned."""
    (tmp_path / "align.json").write_text("of an earlier ladder")
    out = helpers.run("compare/align.py", "--rungs", "environment", "--out", tmp_path).stdout.splitlines()
    assert out[-1].endswith("48 bits): 1 of 19 rungs were run and passed: environment")
    assert (tmp_path / "align.json").read_text() == "of an earlier ladder"
    report = json.loads((tmp_path / "align-some-rungs.json").read_text())
    assert [rung["rung"] for rung in report["rungs"]] == ["environment"]


def test_full_width_without_room_is_refused_before_anything_runs(monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=34 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"^--full: expected 35 GB free for temporary files in .*, found 34; make room"):
        align.main(["--full", "--out", str(tmp_path / "out")])


@pytest.mark.slow
def test_full_width_passes(tmp_path):
    done = helpers.run("compare/align.py", "--full", "--out", tmp_path, timeout=1200)
    assert done.stdout.count("aligned: every rung passed") == 2
