"""A third framework, with a record and a worker of its own and nothing else: it appears wherever two of them did."""

import argparse
import dataclasses
import http.client
import json
import shutil
import sys
from contextlib import ExitStack
from itertools import product

import pytest

from compare import benchmark, serve
from compare.frameworks.records import FRAMEWORKS, pairs
from compare.frameworks.worker import add_python_options
from compare.page.data import read_suite
from compare.page.differences import differences
from compare.page.verdict import gather_evidence, verdict
from compare.publishing.results_page import read_suites, summary_sentences
from compare.serving.app import make_app
from compare.serving.lookup import _summary
from compare.serving.open_lookup import open_lookup
from compare.serving.server import make_server
from compare.speed.measured import Configuration, Measured
from compare.speed.throughput_table import figure, heading, table
from compare.suite.studies import control_folder
from compare.tables.table import write_table
from shared.config.recipe import PRESETS
from shared.training.runs import run_of
from tests import helpers
from tests.fakes import NUMPY
from tests.rows import cells, finish, plan
from tests.servers import in_thread

TITLES = ("PyTorch Lightning", "PaddlePaddle", "NumPy")
SUITE = dataclasses.replace(PRESETS["cpu"], bits=12, epochs=1, dataset="custom", margin=0.02)


@pytest.fixture(autouse=True, scope="module")
def _registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FRAMEWORKS, NUMPY.key, NUMPY)
        yield


@pytest.fixture(scope="module")
def suite(small_suite, tmp_path_factory):
    """The finished suite of two frameworks, in which the third has run by the same command."""
    out = tmp_path_factory.mktemp("third") / "suite"
    shutil.copytree(small_suite, out)
    chosen = ("--frameworks", "numpy", "--numpy-python", sys.executable)
    benchmark.main(["--out", str(out), "--skip-align", *helpers.SMALL, *chosen])
    return out


def score(out, framework):
    return run_of(out, framework, 12, 2000).result()["map_last"]["expected"]


def test_it_stands_in_the_table(suite, small_suite):
    text, before = (suite / "table.md").read_text(), (small_suite / "table.md").read_text()
    (row,), (old,) = cells(text), cells(before)
    columns = [f"{name} {kind}" for name in ("PyTorch", "Paddle", "NumPy") for kind in ("mAP", "ties", "best")]
    assert [*row] == ["bits", "Paddle - PyTorch", "NumPy - PyTorch", *columns]
    assert {name: row[name] for name in old} == old
    assert row["NumPy - PyTorch"] == f"{score(suite, 'numpy') - score(suite, 'torch'):+.4f}"
    assert row["NumPy mAP"] == f"{score(suite, 'numpy'):.4f}"
    assert "the same in all frameworks" in text
    assert "- NumPy: " in text.split("Environment:")[1]
    assert "- NumPy - PyTorch: No verdict: one seed per length" in text


def test_it_stands_in_the_report(suite):
    page = (suite / "report.html").read_text()
    assert "<h1>GreedyHash in NumPy, PaddlePaddle and PyTorch Lightning: digits" in page
    assert "PaddlePaddle's thin and dashed, NumPy's thin and dotted.</p>" in page.replace("&#39;", "'")
    assert f"{NUMPY.title}, 12 bits, seed 2000</p>" in page  # the command that makes the run again
    assert "--cell numpy:12:2000" in page
    assert "bits equal in all</th>" in page
    for name in ("map_by_length", "loss-12", "precision_at-12", "throughput", "balance-12", "retrieval_grid"):
        alt = page.split(f'id="figure-{name}"')[1].split("</figure>")[0]
        assert all(title in alt.split("</svg>")[1] for title in TITLES), name
    assert "var(--green)" in page.split('id="figure-throughput"')[1].split("</svg>")[0]
    sentence = verdict(gather_evidence(read_suite(suite)))
    assert "; NumPy - PyTorch in mAP after training: " in sentence
    assert sentence.endswith("one seed gives no verdict on whether they are equivalent on average.")


def test_it_is_served(suite, tmp_path):
    shutil.copytree(suite / "numpy", tmp_path / "numpy")
    arguments = serve.build_parser().parse_args([str(tmp_path), "--numpy-python", sys.executable])
    with ExitStack() as stack:
        lookup = open_lookup(arguments, stack)
        host, port = stack.enter_context(in_thread(make_server(make_app(lookup, "127.0.0.1"))))

        def ask(path):
            connection = http.client.HTTPConnection(host, port, timeout=60)
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200
            return response.read().decode()

        home, style = ask("/"), ask("/static/serve.css")
        assert "<p>NumPy, 12 bits, seed 2000:" in home
        assert "PaddlePaddle is left out: no finished run with 12 bits, seed 2000." in home
        assert 'article[data-framework="numpy"] { border-top: .3rem solid var(--green); }' in style.splitlines()
        number = int(lookup.queries[0])
        answer = json.loads(ask(f"/search/{number}"))["frameworks"]["numpy"]
    assert answer["name"] == "NumPy"
    assert len(answer["bits"]) == 12
    assert len(answer["nearest"]) == 10


def test_pages_of_three_say_what_all_have_in_common():
    answers = [{"class": "cat", "nearest": [{"index": 1, "distance": 0}], "tied": 0}] * 3
    assert _summary(answers, 2, 12) == "All say cat. Their codes differ in 2 of 12 bits; they share 1 of the 1 nearest."


def test_each_pair_has_its_verdict(tmp_path):
    out = tmp_path / "a"
    shifts = {"torch": (0, 0, 0), "paddle": (0.001, -0.001, 0.0005), "numpy": (0.2, 0.21, 0.205)}
    plan(out, seeds=[1, 2, 3], frameworks=shifts)
    for name, seed in product(shifts, (1, 2, 3)):
        recipe, expected = dataclasses.replace(SUITE, seed=seed), 0.3 + 0.02 * seed + shifts[name][seed - 1]
        finish(out, recipe, name, expected)
        finish(control_folder(out, "threads"), recipe, name, expected + 0.001 * seed)
    text = write_table(out)
    (row,) = cells(text)
    assert (row["Paddle - PyTorch, n"], row["NumPy - PyTorch, n"]) == ("3", "3")
    assert row["NumPy - PyTorch"] == "+0.2050 +- 0.0050"
    assert "- Paddle - PyTorch, 12 bits: equivalent within 0.020: mean +0.0002" in text
    assert "- NumPy - PyTorch, 12 bits: different (by more than 0.020): mean +0.2050" in text
    noise = [row["control"].removesuffix(", 2 vs 2 threads") for row in cells(text.split("Noise floor")[1])]
    assert noise == [
        "NumPy, NumPy - PyTorch",
        "PaddlePaddle, Paddle - PyTorch",
        "PyTorch Lightning, Paddle - PyTorch",
        "PyTorch Lightning, NumPy - PyTorch",
    ]
    supported, _, _ = summary_sentences(read_suites(tmp_path))
    assert supported.startswith("**Supported**, each framework's mAP minus PyTorch's over paired seeds:\n")
    assert "a (NumPy - PyTorch, custom, 12 bits): different (by more than 0.020)" in supported
    suite_data = read_suite(out)
    pictures = [differences(suite_data, pair) for pair in pairs()]
    assert [picture.name for picture in pictures] == ["differences-paddle", "differences-numpy"]
    assert "12 bits: different" in pictures[1].alt
    sentence = verdict(gather_evidence(suite_data))
    assert "; Paddle - PyTorch: equivalent within 0.020" in sentence
    assert "; NumPy - PyTorch: different (by more than 0.020)" in sentence


def test_the_ladder_speaks_of_its_two_sides_alone(tmp_path):
    plan(tmp_path, seeds=[1], frameworks=["torch", "paddle", "numpy"])
    for name in FRAMEWORKS:
        finish(tmp_path, dataclasses.replace(SUITE, seed=1), name, 0.5)
    evidence = dataclasses.replace(gather_evidence(read_suite(tmp_path)), aligned=True)
    sentence = verdict(evidence)
    assert sentence.startswith("PaddlePaddle and PyTorch Lightning compute the same thing as far as every rung")
    assert "the alignment ladder can tell, which does not compare NumPy; " in sentence


def test_speed_is_compared_with_the_reference():
    measured = Measured(
        SUITE, {Configuration(name, tuned): {} for name, tuned in product(FRAMEWORKS, (True, False))}, 0.5
    )
    for place, (name, tuned) in enumerate(product(FRAMEWORKS, (True, False)), 1):
        phases = ("step", "encode", "product")
        measured.add(Configuration(name, tuned), dict.fromkeys(phases, 0.5 * place))
    row = next(row for row in table(measured) if row["phase"].startswith("training step"))
    ratios = ["Paddle / PyTorch", "NumPy / PyTorch"]
    shares = [f"{short} / {what}" for what in ("defaults", "ceiling") for short in ("PyTorch", "Paddle", "NumPy")]
    assert [*row] == ["phase", *TITLES, *ratios, *shares]
    assert (row["Paddle / PyTorch"], row["NumPy / PyTorch"]) == ("0.33", "0.20")
    assert heading(measured).startswith("Speed by phase, all frameworks in turn")
    labels = [text.get_text() for text in figure(measured).axes[0].get_xticklabels()]
    assert labels[-2:] == ["NumPy\ndefaults", "NumPy\ntuned"]


def test_every_command_that_starts_workers_has_its_option():
    parser = argparse.ArgumentParser()
    add_python_options(parser)
    assert parser.parse_args(["--numpy-python", "/x"]).numpy_python == "/x"
    assert "$GREEDYHASH_NUMPY_PYTHON" in parser.format_help()
    assert "numpy" in benchmark.build_parser().format_help()
