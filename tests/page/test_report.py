"""``compare/report.py``: what a reader of report.html sees, in a real browser, of whole suites and of broken ones."""

import dataclasses
import json
import shutil
from itertools import product

import pytest
from PIL import Image

from compare.frameworks.records import pairs
from compare.page.data import read_suite
from compare.page.verdict import Evidence, gather_evidence, verdict
from shared.training.runs import run_of
from tests import helpers
from tests.browser import page_of
from tests.rows import plan

PICTURES = {
    "map_by_length",
    "loss-12",
    "map-12",
    "learning_rate",
    "precision_recall-12",
    "precision_at-12",
    "ladder",
    "growth",
}
PICTURES |= {"throughput", "retrieval_grid", "balance-12", "correlation-12", "codes_by_class-12"}
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
    (out / "throughput.json").write_text(
        json.dumps({"table": [{"phase": "decoding", "images/s": "1234"}], "load_before": 0.61})
    )
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
        check_tables(page)


def check_tables(page):
    """No column is cut, and one that is added has a bar to be scrolled by; the difference stays in sight there."""
    page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
    for box in page.locator(".scroll").all():
        assert box.evaluate("node => getComputedStyle(node).overflowX") == "auto"
        assert box.evaluate("node => node.scrollWidth <= node.clientWidth"), box.inner_text()
    box = page.locator(".scroll").first
    if page.viewport_size["width"] == 400:  # a row is a list of its cells, under the names of the columns
        names = [cell.get_attribute("data-label") for cell in box.locator("tbody tr").first.locator("th, td").all()]
        assert names == [cell.text_content() for cell in box.locator("thead th").all()]
        assert names[:2] == ["bits", "Paddle - PyTorch"]
        tops = [cell.bounding_box()["y"] for cell in box.locator("tbody tr").first.locator("th, td").all()]
        assert tops == sorted(set(tops))
        return
    assert box.locator("th").nth(1).inner_text() == "Paddle - PyTorch"
    for left in (0, 10_000):
        box.evaluate("(node, left) => { node.scrollLeft = left; }", left)
        for cell in (box.locator("thead th").nth(1), box.locator("tbody td").first):
            frame, inside = box.bounding_box(), cell.bounding_box()
            assert frame["x"] <= inside["x"]
            assert inside["x"] + inside["width"] <= frame["x"] + frame["width"]
            # and no other cell lies over it
            middle = [inside["x"] + inside["width"] / 2, inside["y"] + inside["height"] / 2]
            assert cell.evaluate("(node, [x, y]) => node.contains(document.elementFromPoint(x, y))", middle)


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
        assert set(levels[1:]) == {2, 3}
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
        assert page.locator("main > :last-child").inner_text() == table["agreement"]["sentence"]
        assert page.locator("#problems").count() == 0
        speed = page.inner_text("section[aria-labelledby=speed]")
        assert "1234" in speed
        assert "load average of the machine before: 0.6." in speed
        assert "The load of the machine was not controlled and is not recorded" in speed.replace("\n", " ")
        assert page.title() == "digits; preset demo: GreedyHash in PaddlePaddle and PyTorch Lightning"
        assert page.inner_text("h1").endswith(": digits; preset demo")
        at_ten = {
            n: run_of(suite, n, 12, 2000).result()["retrieval"]["precision_at"]["10"] for n in ("torch", "paddle")
        }
        precision = (
            f"over all 500 queries: PyTorch Lightning {at_ten['torch']:.4f}; PaddlePaddle {at_ten['paddle']:.4f}."
        )
        assert precision in page.inner_text("#figure-retrieval_grid")
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
    assert "The alignment ladder was not run" in text
    assert "Killed: <out of memory>" in (broken / "report.html").read_text().replace("&lt;", "<").replace("&gt;", ">")


def test_codes_that_are_gone_are_still_described(browser, suite, broken):
    """As in a suite that was published or copied without its codes."""
    run_of(broken, "torch", 12, 2000).codes_file.unlink()
    run_of(broken, "paddle", 12, 2000).codes_file.write_bytes(b"nothing")
    text = shown(browser, broken)
    assert "The first query of each class and its nearest items, 12 bits, seed 2000;" in text
    pictures = [{file.name: file.read_bytes() for file in (out / "figures").iterdir()} for out in (suite, broken)]
    assert pictures[0] == pictures[1]


@pytest.mark.slow
def test_codes_of_other_runs_are_not_described(browser, broken):
    for name in ("torch", "paddle"):
        run_of(broken, name, 12, 2000).codes_file.unlink()
    file = run_of(broken, "paddle", 12, 2000).result_file
    file.write_text(json.dumps(json.loads(file.read_text()) | {"checkpoint_sha256": "of another run"}))
    assert "PaddlePaddle: " not in shown(browser, broken, "section[aria-labelledby=grid]")
    (broken / "codes.json").write_text('{"12": {"seed": 2000}}')
    text = shown(browser, broken)
    assert "codes.json: 12: missing agreement, checkpoints, of" in text
    assert "expected the codes of a finished run" in text
    assert "Nothing to show: no run has left codes yet." in text


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


(PAIR,) = pairs()
EVIDENCE = Evidence(8, 8, ("paddle", "torch"), {PAIR: {12: [0.01], 48: [-0.02]}}, True, "aligned")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["\u22120.0200 (48 bits) to +0.0100 (12 bits)", "one seed gives no verdict"]),
        ({"aligned": None}, ["The alignment ladder was not run"]),
        ({"aligned": False, "ladder": "forward failed"}, ["do NOT compute the same thing (forward failed)"]),
        ({"finished": 5}, ["So far (5 of 8 runs finished): Both"]),
        (
            {"differences": {PAIR: {12: [0.01, 0.03]}}, "conclusion": "undecided at 0.010"},
            ["+0.0200 at 12 bits; undecided at 0.010."],
        ),
        ({"conclusion": "equivalent within 0.01"}, ["; equivalent within 0.01."]),
        ({"conclusion": "different", "comparable": False}, ["No verdict: 8 of 8 runs are finished, but they make no"]),
    ],
    ids=["one seed", "no ladder", "ladder failed", "half-finished", "two seeds", "statistics", "two recipes"],
)
def test_verdict(changes, expected):
    text = verdict(dataclasses.replace(EVIDENCE, **changes))
    assert all(phrase in text for phrase in expected), text
