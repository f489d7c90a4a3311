"""Prove, rung by rung from pixels to a trained network, that both frameworks compute the same thing.

python compare/align.py                    the quick ladder: a narrow network, under a minute
python compare/align.py --full             the published network at full width and 224 px as well
python compare/align.py --plant FAULT      plant a fault on one side: the ladder must stop at the named rung
python compare/align.py --plant list       the faults, and the rung that catches each
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[1] / "shared" / "system" / "entry.py"))

import argparse
import dataclasses
import sys
import tempfile
import time

from rich.console import Console
from rich.table import Table

from compare.ladder.exported_rung import LEFT_OUT
from compare.ladder.faults import FAULTS, NO_FAULT, Fault
from compare.ladder.limits import LIMITS
from compare.ladder.records import Record
from compare.ladder.report import ALIGN_FILE
from compare.ladder.rig import Rig, Scale, ladder_recipe, make_inputs
from compare.ladder.rungs import RUNGS
from compare.worker import Worker, add_python_options
from shared.config.recipe import MAX_BITS
from shared.system.errors import EXIT_CHECK_FAILED, exit_status
from shared.system.files import check_writable, write_json
from shared.system.options import Parser, whole

STRICT_STEPS, ALIGN_STEPS = 200, 50
QUICK_WIDTH, QUICK_PX, QUICK_BATCH = 1 / 8, 64, 16
FULL_STEPS, FULL_BATCH = 2, 16


def build_parser() -> argparse.ArgumentParser:
    """The options of ``compare/align.py``."""
    parser = Parser(description=__doc__)
    add = parser.add_argument_group("the ladder").add_argument
    add("--bits", type=whole(1, MAX_BITS), default=48, metavar="N", help="code length")
    add("--steps", type=whole(1), default=ALIGN_STEPS, metavar="N", help="float32 steps; float64 takes at least 200")
    add("--full", action="store_true", help="the full-width network too, for a few steps")
    add("--plant", choices=("list", *FAULTS), metavar="FAULT", help="plant a fault; 'list' shows them")
    add("--out", type=Path, default=Path("runs/align"), metavar="DIR", help="folder for align.json")
    machine = parser.add_argument_group("the machine")
    machine.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where both compute")
    add_python_options(machine)
    return parser


def main() -> None:
    """Climb the ladder the command line asks for; exit status 1 when a rung fails."""
    arguments = build_parser().parse_args()
    if arguments.plant == "list":
        for fault in FAULTS.values():
            print(f"{fault.name:24} {fault.rung:20} {fault.what}")
        return
    check_writable(arguments.out)
    workers = {name: Worker(name, getattr(arguments, f"{name}_python"), threads=1) for name in ("paddle", "torch")}
    scales = [quick_scale(arguments.steps)]
    if arguments.full:
        # a state of 57 million parameters is kept after every step: few steps, and one dtype for the optimiser alone
        scales.append(Scale("full", 1.0, 224, FULL_BATCH, FULL_STEPS, FULL_STEPS, optimiser_dtypes=("float32",)))
    fault = FAULTS.get(arguments.plant, NO_FAULT)
    reports = [align(scale, arguments.bits, workers, arguments.device, arguments.out, fault) for scale in scales]
    if not all(report["passed"] for report in reports):
        sys.exit(EXIT_CHECK_FAILED)


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


if __name__ == "__main__":
    sys.exit(exit_status(main))
