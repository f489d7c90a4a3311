"""``compare/report.py``: what a reader of report.html sees, in a real browser, of whole suites and of broken ones."""

import dataclasses
import json
import shutil
from itertools import product

import numpy as np
import pytest
from PIL import Image

from compare.figures import save_figure
from compare.reporting.codes import code_facts
from compare.reporting.curves import loss_curves, map_by_length
from compare.reporting.data import read_suite
from compare.reporting.verdict import Evidence, gather_evidence, verdict
from shared.codes import Codes
from shared.packing import pack_codes
from shared.recipe import PRESETS, RELU_LAYERS
from shared.runs import run_of
from tests import helpers
from tests.browser import page_of
from tests.rows import EPOCH, finish, plan

PICTURES = {"map_by_length", "loss-12", "map-12", "rate", "precision_recall-12", "precision_at-12", "ladder", "growth"}
PICTURES |= {"throughput", "retrieval_grid", "balance-12", "correlation-12"}
RUNG = {"rung": "forward", "shows": "every layer", "passed": True, "comparisons": 2, "measured": 1e-6, "limit": 1e-5}
RUNG |= {"tightest": "conv1", "records": []}
GROWTH = [
    {"name": f"float32 weights after step {step}", "passed": True, "max_relative": step * 1e-7, "note": "a note"}
    for step in (1, 2, 5)
]


def write_ladder(out, passed=True):
    last = RUNG | {
        "rung": "trajectory",
        "passed": passed,
        "records": [*GROWTH, {"name": "step 2 fc6", "passed": passed}],
    }
    verdict_text = "quick ladder: " + ("aligned: every rung passed" if passed else "NOT aligned: trajectory failed")
    limits = {"exact": {"value": 0.0, "reason": "copies"}}
    report = {"passed": passed, "verdict": verdict_text, "planted": "", "rungs": [RUNG, last], "limits": limits}
    (out / "align.json").write_text(json.dumps(report))


@pytest.fixture(scope="module")
def suite(small_suite, tmp_path_factory):
    """A finished suite with a ladder, and its report."""
    out = tmp_path_factory.mktemp("report") / "suite"
    assert (small_suite / "report.html").exists()  # benchmark.py ends with it
    shutil.copytree(small_suite, out)
    write_ladder(out)
    (out / "throughput.json").write_text(json.dumps({"table": [{"phase": "decoding", "images/s": "1234"}]}))
    assert "report.html" in helpers.run("compare/report.py", out).stdout
    return out


@pytest.fixture
def broken(suite, tmp_path):
    """A copy of the suite, to be damaged."""
    shutil.copytree(suite, tmp_path / "suite", ignore=shutil.ignore_patterns("report.html", "figures", "init"))
    return tmp_path / "suite"


def shown(browser, out, part="body"):
    """The text of the report that is written now."""
    helpers.run("compare/report.py", out)
    with page_of(browser, (out / "report.html").as_uri()) as (page, complaints, _):
        assert complaints == []
        return page.inner_text(part)


@pytest.mark.parametrize(("width", "scheme"), [*product((1280, 400), ("light", "dark"))])
def test_report_in_a_browser(browser, suite, width, scheme):
    address = (suite / "report.html").as_uri()
    with page_of(browser, address, width, scheme) as (page, complaints, requests):
        assert complaints == []
        assert requests == [address]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        figures = page.locator("figure").all()
        assert {figure.get_attribute("id") for figure in figures} == {f"figure-{name}" for name in PICTURES}
        for figure in figures:
            box = figure.locator("svg").bounding_box()
            assert min(box["width"], box["height"]) > 100
            assert figure.locator("svg path, svg image").count() > 3
        back, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
        assert (brightness(back) > brightness(ink)) == (scheme == "light")
        axis = page.locator("#figure-loss-12 svg text").first
        assert axis.evaluate("node => getComputedStyle(node).fill") == ink


def brightness(colour):
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))


def test_report_can_be_read_without_eyes_or_mouse(browser, suite):
    with page_of(browser, (suite / "report.html").as_uri()) as (page, _, _):
        alternatives = page.locator("figure [role=img]").evaluate_all(
            "all => all.map(n => n.getAttribute('aria-label'))"
        )
        assert len(alternatives) == len(PICTURES)
        assert all(any(letter.isdigit() for letter in text) for text in alternatives)
        assert page.locator("img:not([alt])").count() == 0
        levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(node => +node.tagName[1])")
        assert levels[0] == 1
        assert set(levels[1:]) == {2}
        assert page.locator("th:not([scope])").count() == page.locator("table:not(:has(caption))").count() == 0
        ids = page.locator("[id]").evaluate_all("all => all.map(node => node.id)")
        assert len(ids) == len(set(ids))
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.locator("summary").last.focus()
        page.keyboard.press("Enter")
        assert "python compare/benchmark.py --preset demo --bits 12" in page.inner_text("details[open]")


def test_report_says_what_was_measured(browser, suite):
    table = json.loads((suite / "table.json").read_text())
    with page_of(browser, (suite / "report.html").as_uri()) as (page, _, _):
        text = page.inner_text("body")
        assert all(cell in text for row in table["table"] for cell in row.values())
        assert page.locator("h1 + p").inner_text() == verdict(gather_evidence(read_suite(suite)))
        assert "one seed gives no verdict" in page.inner_text("#verdict")
        assert page.locator("#problems").count() == 0
        assert "1234" in page.inner_text("section[aria-labelledby=speed]")
    assert (suite / "report.html").stat().st_size < 5e6
    for name in PICTURES:
        assert Image.open(suite / "figures" / f"{name}.png").size[0] > 300
        assert (suite / "figures" / f"{name}.svg").read_text().rstrip().endswith("</svg>")


def test_half_finished_suite(browser, broken):
    """A worker died, another run's codes are lost, and there is neither ladder nor table."""
    died = run_of(broken, "paddle", 12, 2000)
    died.result_file.unlink()
    died.log_file.write_text("\n".join(died.log_file.read_text().splitlines()[:1]) + "\n")
    died.worker_log_file.write_text("Killed: <out of memory>\n")
    run_of(broken, "torch", 12, 2000).codes_file.write_bytes(b"nothing")
    for name in ("align.json", "table.json"):
        (broken / name).unlink()
    text = shown(browser, broken)
    assert "No comparison: PyTorch Lightning finished 1 of 2 planned runs, alone." in text
    assert "PaddlePaddle, 12 bits, seed 2000: not finished: 1 of 3 epochs done" in text
    assert "expected the codes of a finished run" in text
    assert "The alignment ladder was not climbed" in text
    assert "Killed: <out of memory>" in (broken / "report.html").read_text().replace("&lt;", "<").replace("&gt;", ">")


def test_codes_that_are_gone_are_still_described(browser, broken):
    """As in a suite that was published or copied without its codes; not when a run was made again since."""
    figures = {file.name: file.read_bytes() for file in figures_of(broken)}
    run_of(broken, "torch", 12, 2000).codes_file.unlink()
    run_of(broken, "paddle", 12, 2000).codes_file.write_bytes(b"nothing")
    text = shown(browser, broken)
    assert "The first query of each class and its nearest items, 12 bits, seed 2000." in text
    assert {file.name: file.read_bytes() for file in figures_of(broken)} == figures
    file = run_of(broken, "paddle", 12, 2000).result_file
    file.write_text(json.dumps(json.loads(file.read_text()) | {"checkpoint_sha256": "of another run"}))
    assert "PaddlePaddle: " not in shown(browser, broken, "section[aria-labelledby=grid]")
    (broken / "codes.json").write_text('{"12": {"seed": 2000}}')
    text = shown(browser, broken)
    assert "codes.json: 12: missing agreement, checkpoints, of" in text
    assert "expected the codes of a finished run" in text
    assert "Nothing to show: no run has left codes yet." in text


def figures_of(out):
    helpers.run("compare/report.py", out)
    return sorted((out / "figures").iterdir())


def test_log_that_is_lost(browser, broken):
    for name in ("torch", "paddle"):
        run_of(broken, name, 12, 2000).log_file.unlink()
    assert "mAP by code length" in shown(browser, broken)


def test_nothing_finished_and_nothing_readable(browser, broken):
    for name in ("paddle", "torch"):
        run_of(broken, name, 12, 2000).result_file.write_text("{}")
    (broken / "align.json").write_text("[]")
    text = shown(browser, broken)
    assert "No verdict: none of the 2 planned runs is finished." in text
    assert "result.json: missing accuracy, best_epoch, " in text
    assert "align.json: expected an object of named values, received list" in text
    assert "Loss, 12 bits" in text  # the logs are whole


def test_failed_ladder_comes_first(browser, broken):
    write_ladder(broken, passed=False)
    text = shown(browser, broken)
    assert "The two frameworks do NOT compute the same thing (quick ladder: NOT aligned: trajectory failed)" in text
    assert "First to diverge: step 2 fc6." in text


def test_missing_framework_and_missing_images(browser, broken):
    shutil.rmtree(broken / "paddle")
    plan(broken, frameworks=["torch"], unavailable={"paddle": "no module named paddle"})
    file = run_of(broken, "torch", 12, 2000).environment_file
    file.write_text(file.read_text().replace('"digits"', '"/no/such/images"'))
    text = shown(browser, broken)
    assert "PaddlePaddle did not run: no module named paddle" in text
    assert "The images cannot be shown: no such data: /no/such/images" in text


def test_folder_without_a_suite(tmp_path):
    done = helpers.run("compare/report.py", tmp_path, status=2)
    assert "expected the folder of a suite" in done.stderr


EVIDENCE = Evidence(8, 8, ("paddle", "torch"), {12: [0.01], 48: [-0.02]}, True, "aligned")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["\u22120.0200 (48 bits) to +0.0100 (12 bits)", "one seed gives no verdict"]),
        ({"aligned": None}, ["The alignment ladder was not climbed"]),
        ({"aligned": False, "ladder": "forward failed"}, ["do NOT compute the same thing (forward failed)"]),
        ({"finished": 5}, ["So far (5 of 8 runs finished): Both"]),
        (
            {"differences": {12: [0.01, 0.03]}, "conclusion": "undecided at 0.010"},
            ["+0.0200 at 12 bits; undecided at 0.010."],
        ),
        ({"conclusion": "equivalent within 0.01"}, ["; equivalent within 0.01."]),
        ({"conclusion": "different", "comparable": False}, ["No verdict: 8 of 8 runs are finished, but they make no"]),
    ],
    ids=["one seed", "no ladder", "ladder failed", "half-finished", "two seeds", "statistics", "two recipes"],
)
def test_verdict(changes, words):
    text = verdict(dataclasses.replace(EVIDENCE, **changes))
    assert all(word in text for word in words), text


def test_published_curves_stand_only_beside_their_protocol(tmp_path):
    plan(tmp_path)
    recipe = dataclasses.replace(PRESETS["paper"], backbone_layers=RELU_LAYERS, bits=12)
    finish(tmp_path, recipe, "torch", 0.77)
    run_of(tmp_path, "torch", 12, 2000).append_log(EPOCH | {"epoch": 1, "loss": 1.9, "lr": 0.001})
    assert {"published PyTorch", "published Paddle"} < legend(loss_curves(read_suite(tmp_path), 12))
    assert {"paper", "published PyTorch", "published Paddle"} < legend(map_by_length(read_suite(tmp_path)))


def test_published_curves_do_not_stand_beside_digits(small_suite):
    assert legend(loss_curves(read_suite(small_suite), 12)) == {"PyTorch Lightning", "PaddlePaddle"}


def legend(picture):
    return {text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()}


def test_facts_of_hand_made_codes():
    """Bit 1 opposes bit 0, bit 2 is constant; at one distance the earlier item comes first."""
    bits = np.array([[0, 1, 1], [1, 0, 1], [0, 1, 1], [1, 0, 1], [0, 1, 1]], bool)
    labels = np.array([0, 1, 0, 1, 1])
    codes = Codes(np.arange(10, 15), labels, pack_codes(bits), np.ones((5, 3), np.float32), labels, 1)
    facts = code_facts(codes)
    assert facts.balance.tolist() == [0.5, 0.5, 1.0]
    np.testing.assert_allclose(facts.correlation, [[1, -1, 0], [-1, 1, 0], [0, 0, 0]], atol=1e-12)
    (ranking,) = facts.rankings
    assert (ranking.index, ranking.label) == (10, 0)
    assert [(hit.index, hit.distance, hit.wrong) for hit in ranking.hits] == [
        (12, 0, False),
        (14, 0, True),
        (11, 2, True),
        (13, 2, True),
    ]


def test_figures_are_the_same_bytes(small_suite, tmp_path):
    for name in ("first", "second"):
        save_figure(map_by_length(read_suite(small_suite)).figure, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()
