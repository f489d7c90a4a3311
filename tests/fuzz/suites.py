"""A suite with every file there is, and all that the commands read of one."""

import dataclasses

import numpy as np

from compare.page.code_metrics import metrics_by_length
from compare.page.codes import code_metrics, metrics_as_json
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


def write_valid_suite(out):
    """Two seeds in both frameworks, a control, a ladder, throughput and metrics of codes: every file there is."""
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
    write_json(out / "align.json", _ladder())
    write_json(out / "throughput.json", {"table": [{"phase": "step", "s": "1"}], "notes": ["a note"]})
    of = {name: metrics_as_json(code_metrics(some_codes())) for name in ("torch", "paddle")}
    saved = {"seed": 1, "agreement": 0.5, "checkpoints": {"torch": "c", "paddle": "c"}, "of": of}
    write_json(out / "codes.json", {"12": saved})
    twins = {"control": "", "frameworks": ["paddle", "torch"], "bits": 12, "seed": 1, "checkpoints": ["c", "c"]}
    write_json(out / "agreement.json", [twins | {"queries": 0.25, "database": 0.125}])


def _ladder():
    rung = {"rung": "forward", "shows": "x", "passed": True, "comparisons": 2, "measured": 1e-6, "limit": 1e-5}
    record = {"name": "float32 weights after step 1", "passed": True, "max_relative": 1e-7, "note": "a note"}
    rungs = [rung | {"tightest": "conv1", "records": [record]}] * 2
    limits = {"exact": {"value": 0.0, "reason": "copies"}}
    return {"passed": True, "verdict": "quick ladder: aligned", "planted": "", "rungs": rungs, "limits": limits}


def some_codes():
    generator = np.random.RandomState(0)
    bits, labels = generator.rand(60, 12) > 0.5, np.arange(60) % 10
    bit_margin = np.ones((60, 12), np.float32)
    return Codes(np.arange(60), labels, pack_codes(bits), bit_margin, labels, 10)


def read_everything(out, drawn):
    """What the commands make of the folder, problems included; anything but UserError is a fault."""
    try:
        write_table(out)
        suite_data = read_suite(out)
        if drawn:
            content(suite_data)
        metrics_by_length(suite_data)
        for run_data in suite_data.runs:
            if run_data.recipe:
                rerun_command(run_data.recipe, run_data.cell.framework, run_data.environment or {})
        return f"{verdict(gather_evidence(suite_data))} {suite_data.problems}"
    except UserError as error:
        return str(error)
