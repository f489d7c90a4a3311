"""Tables of the report that take several lengths and seeds: the verdicts, and how far two runs are apart."""

import dataclasses
import html
import json
import re
from itertools import product

import numpy as np

from compare.page.report import write_report
from compare.tables.table import write_table
from shared.codes.codes import Codes
from shared.codes.packing import pack_codes
from shared.training.runs import run_of
from tests.rows import PAPER, finish, plan


def write_study(out):
    """Two lengths of two seeds each, whose codes differ in every fourth bit."""
    plan(out, bits=[12, 24], seeds=[1, 2])
    for bits, seed, framework in product((12, 24), (1, 2), ("torch", "paddle")):
        recipe = dataclasses.replace(PAPER, bits=bits, seed=seed)
        finish(out, recipe, framework, 0.5 + (0.01 * seed if framework == "paddle" else 0), precisions=[0.5] * 10)
        ones = np.random.RandomState(seed).rand(60, bits) > 0.5
        ones[:, ::4] ^= framework == "paddle"
        labels = np.arange(60) % 10
        codes = Codes(np.arange(60), labels, pack_codes(ones), np.ones((60, bits), np.float32), labels, 10)
        codes.save(run_of(out, framework, bits, seed).codes_file)


def test_report_shows_verdicts_and_ends_with_how_far_runs_are_apart(tmp_path):
    write_study(tmp_path)
    write_table(tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    content = json.loads((tmp_path / "table.json").read_text())
    main = page.split("<main", 1)[1]
    for caption, rows in (
        ("Verdicts by code length", content["verdicts"][0]["rows"]),
        ("Two runs of one length and seed", content["agreement"]["rows"]),
    ):
        body = main.split(f"<caption>{caption}</caption>")[1].split("</table>")[0]
        values = re.findall(r"<t[hd] [^>]*data-label=[^>]*>(.*?)</t[hd]>", body)
        assert values == [value for row in rows for value in row.values()]
    assert [row["database bits"] for row in content["agreement"]["rows"]] == ["25.00 %", "25.00 %"]
    assert [row["bits"] for row in content["verdicts"][0]["rows"]] == ["12", "24", "average"]
    last = re.search(r'<p id="apart">(.*?)</p>\s*\Z', main.split("</main>")[0])[1]
    assert html.unescape(last) == content["agreement"]["sentence"]
