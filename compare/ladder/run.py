"""Climbing the ladder: rung after rung until one fails, printed as it goes and written to ``align.json``."""

import dataclasses
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from compare.frameworks.worker import Worker
from compare.ladder.exported_rung import LEFT_OUT
from compare.ladder.faults import NO_FAULT, Fault
from compare.ladder.limits import LIMITS
from compare.ladder.records import Record
from compare.ladder.report import ALIGN_FILE
from compare.ladder.rungs import RUNGS
from compare.ladder.session import Rig, Scale, ladder_recipe, make_inputs
from shared.system.files import write_json

STRICT_STEPS, ALIGN_STEPS = 200, 50
QUICK_WIDTH, QUICK_PX, QUICK_BATCH = 1 / 8, 64, 16
FULL_STEPS, FULL_BATCH = 2, 16


def align(scale: Scale, bits: int, workers: dict[str, Worker], device: str, out: Path, fault: Fault = NO_FAULT) -> dict:
    """Climb the ladder of one scale; print the verdict, write ``align.json`` and return its contents."""
    recipe = ladder_recipe(scale, bits)
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(scale, recipe, workers, device, Path(folder), make_inputs(scale, recipe), fault)
        rungs = climb(rig)
    passed = all(rung["passed"] for rung in rungs)
    verdict = "aligned: every rung passed" if passed else f"NOT aligned: {rungs[-1]['rung']} failed"
    verdict += "".join(f", {name} left out" for rung in rungs for name in rung["left_out"])
    verdict = f"{scale.name} ladder ({recipe.input_px} px, width x{recipe.width:g}, {bits} bits): {verdict}"
    print(verdict, flush=True)
    limits = {name: limit._asdict() for name, limit in LIMITS.items()}
    report = {"scale": dataclasses.asdict(scale), "bits": bits, "planted": fault.name, "passed": passed}
    report |= {"verdict": verdict, "rungs": rungs, "limits": limits}
    write_json(out / (ALIGN_FILE if scale.name == "quick" else f"align-{scale.name}.json"), report)
    return report


def quick_scale(steps: int) -> Scale:
    """The narrow network of the quick ladder."""
    return Scale("quick", QUICK_WIDTH, QUICK_PX, QUICK_BATCH, max(STRICT_STEPS, steps), steps)


def full_scale() -> Scale:
    """The published network at its own width and size."""
    # a state of 57 million parameters is stored after every step: few steps, and one dtype for the optimiser alone
    return Scale("full", 1.0, 224, FULL_BATCH, FULL_STEPS, FULL_STEPS, optimiser_dtypes=("float32",))


def climb(rig: Rig) -> list[dict]:
    """Climb all rungs, stopping at the first that fails; print what was measured and return it with its records."""
    console, reached = Console(soft_wrap=True, highlight=False, markup=False), []
    for rung in RUNGS:
        started = time.monotonic()
        records = rung.climb(rung.name, rig)
        reached.append(_summary(rung.name, rung.shows, records, time.monotonic() - started))
        console.print(_line(reached[-1]))
        if not reached[-1]["passed"]:
            _show_failures(console, records)
            break
    return reached


def _summary(rung: str, shows: str, records: list[Record], seconds: float) -> dict:
    judged = [r for r in records if r.limit is not None and r.max_relative is not None and r.limit > 0]
    tightest = max(judged, key=lambda r: r.max_relative / r.limit, default=None)
    left_out = [record.name for record in records if record.note.startswith(LEFT_OUT)]
    return {
        "rung": rung,
        "shows": shows,
        "passed": all(r.passed for r in records),
        "comparisons": len(records) - len(left_out),
        "left_out": left_out,
        "measured": tightest.max_relative if tightest else max((r.max_relative or 0.0 for r in records), default=0.0),
        "limit": tightest.limit if tightest else 0.0,
        "tightest": tightest.name if tightest else "",
        "seconds": round(seconds, 1),
        "records": [_plain(record) for record in records],
    }


def _plain(record: Record) -> dict:
    numbers = record._asdict()
    return {name: None if value != value else value for name, value in numbers.items()}  # noqa: PLR0124 - NaN


def _line(row: dict) -> str:
    mark = "pass" if row["passed"] else "FAIL"
    measured = f"{row['measured']:.1e} of {row['limit']:.0e}" if row["limit"] else "exact"
    line = f"{mark}  {row['rung']:20} {row['comparisons']:4} comparisons  {measured:20} {row['shows']}"
    return line + "".join(f"; {name} left out for want of a package" for name in row["left_out"])


def _show_failures(console: Console, records: list[Record]) -> None:
    failed = [record for record in records if not record.passed]
    console.print(f"first to diverge: {failed[0].name}")
    table = Table("name", "difference", "limit", "cosine", "worst at", "note")
    for r in failed[:8]:
        numbers = [f"{value:.3g}" if value is not None else "" for value in (r.max_relative, r.limit, r.cosine)]
        table.add_row(r.name, *numbers, str(r.worst_index or ""), r.note)
    console.print(table)
