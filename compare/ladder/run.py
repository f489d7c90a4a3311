"""Running the ladder: rung after rung until one fails, printed as it goes and written to ``align.json``."""

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from compare.frameworks.worker import Worker
from compare.ladder.accuracy import RULE
from compare.ladder.faults import NO_FAULT, Fault
from compare.ladder.limits import LIMITS
from compare.ladder.records import Record, shown_limit
from compare.ladder.report import ALIGN_FILE
from compare.ladder.rungs import RUNGS, Rung
from compare.ladder.session import LadderSession
from compare.ladder.setup import Scale, make_setup
from compare.ladder.smallest import Smallest, short, smallest_faults
from shared.system.errors import UserError
from shared.system.files import write_json

STRICT_STEPS, ALIGN_STEPS = 200, 50
QUICK_WIDTH, QUICK_PX, QUICK_BATCH = 1 / 8, 64, 16
FULL_STEPS, FULL_BATCH = 2, 16
# measured: its states, before they are compared
_FULL_GIGABYTES = 35


def align(
    scale: Scale,
    bits: int,
    workers: dict[str, Worker],
    device: str,
    out: Path,
    fault: Fault = NO_FAULT,
    rungs: Sequence[Rung] = RUNGS,
    smallest: bool = False,
) -> dict:
    """Run ``rungs`` at one scale; print the verdict, write ``align.json`` and return its contents.

    ``workers``: the other framework's and the reference's by side, or one framework's twice, which is compared on
    ``device`` with itself on the CPU. ``align.json`` is that of a whole ladder between two frameworks: what proves less
    is written beside it. ``smallest``: when the ladder has passed, also find the smallest size of every fault that is
    still caught.
    """
    setup = make_setup(scale, bits, tuple(workers))
    with tempfile.TemporaryDirectory() as folder:
        rows = run_rungs(LadderSession(setup, workers, device, Path(folder), fault), rungs)
        passed, is_whole = all(row["passed"] for row in rows), set(rungs) == set(RUNGS)
        brief = LadderSession(make_setup(short(scale), bits, setup.sides), workers, device, Path(folder))
        faults = _print_smallest(brief, rows) if smallest and passed else []
    alone = _alone(workers)
    size = f"{scale.input_px} px, width x{scale.width:g}, {bits} bits"
    size += f", {alone} on {device} beside the CPU" if alone else ""
    verdict = f"{scale.name} ladder ({size}): {_verdict(rows, is_whole)}"
    print(verdict, flush=True)
    limits = {name: limit._asdict() for name, limit in LIMITS.items()}
    report = {"scale": dataclasses.asdict(scale), "bits": bits, "planted": fault.name, "passed": passed}
    report |= {"verdict": verdict, "rungs": rows, "rule": RULE, "limits": limits}
    report |= {"smallest_faults": [fault._asdict() for fault in faults]} if smallest else {}
    stem = ALIGN_FILE.removesuffix(".json") + ("" if scale.name == "quick" else f"-{scale.name}")
    file = out / f"{stem}{f'-{alone}' if alone else ''}{'' if is_whole else '-some-rungs'}.json"
    write_json(file, report, one_line=True)  # hundreds of comparisons, which the report shows
    return report


def _alone(workers: dict[str, Worker]) -> str:
    """The framework of both sides where there is one only."""
    other, reference = (worker.framework for worker in workers.values())
    return other if other == reference else ""


def _print_smallest(session: LadderSession, rows: list[dict]) -> list[Smallest]:
    print("the smallest size of each fault that is still caught, among its own size halved again and again:")
    shown = []
    for fault in smallest_faults(session, {row["rung"] for row in rows if not row["limit"]}):
        shown.append(fault)
        print(fault, flush=True)
    return shown


def _verdict(rows: list[dict], is_whole: bool) -> str:
    """The verdict as text; some rungs alone do not show that the frameworks are aligned."""
    if not rows[-1]["passed"]:
        verdict = f"NOT aligned: {rows[-1]['rung']} failed"
    elif is_whole:
        verdict = "aligned: every rung passed"
    else:
        verdict = f"{len(rows)} of {len(RUNGS)} rungs were run and passed: {', '.join(row['rung'] for row in rows)}"
    return verdict + "".join(f", {name} left out" for row in rows for name in row["left_out"])


def quick_scale(steps: int) -> Scale:
    """The narrow network of the quick ladder."""
    return Scale("quick", QUICK_WIDTH, QUICK_PX, QUICK_BATCH, max(STRICT_STEPS, steps), steps)


def full_scale() -> Scale:
    """The published network at its own width and size."""
    # a state of 57 million parameters is stored after every step: few steps, and one dtype for the optimiser alone
    return Scale("full", 1.0, 224, FULL_BATCH, FULL_STEPS, FULL_STEPS, optimiser_dtypes=("float32",))


def check_room_for_full() -> None:
    """UserError unless the folder of temporary files has room for the states of the published network."""
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free / 1e9
    if free < _FULL_GIGABYTES:
        raise UserError(
            f"--full: expected {_FULL_GIGABYTES} GB free for temporary files in {folder}, found {free:.0f}; make room, "
            "or name another folder in TMPDIR"
        )


def run_rungs(session: LadderSession, rungs: Sequence[Rung] = RUNGS) -> list[dict]:
    """Run ``rungs`` in their order, up to the first that fails; print what was measured and return it with its records.

    Raises UserError and WorkerDied.
    """
    console, reached = Console(soft_wrap=True, highlight=False, markup=False), []
    for place, rung in enumerate(rungs):
        started = time.monotonic()
        session.require(rung.needs, later=[need for after in rungs[place + 1 :] for need in after.needs])
        records = rung.run(rung.name, session)
        reached.append(_summary(rung.name, rung.shows, records, time.monotonic() - started))
        console.print(_line(reached[-1]))
        if not reached[-1]["passed"]:
            _show_failures(console, records)
            break
    return reached


def _summary(rung: str, shows: str, records: list[Record], seconds: float) -> dict:
    judged = [r for r in records if r.limit is not None and r.max_relative is not None and r.limit > 0]
    tightest = max(judged, key=lambda r: r.max_relative / r.limit, default=None)
    left_out = [record.name for record in records if record.left_out]
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
    fields = record._asdict()
    for name in ("left_out", "growth_step", "differing_bits", "errors"):  # few records have them
        if fields[name] == Record._field_defaults[name]:
            del fields[name]
    return {name: None if value != value else value for name, value in fields.items()}  # noqa: PLR0124 - NaN


def _line(row: dict) -> str:
    mark = "pass" if row["passed"] else "FAIL"
    measured = f"{row['measured']:.1e} of {shown_limit(row['limit'])}" if row["limit"] else "exact"
    line = f"{mark}  {row['rung']:20} {row['comparisons']:4} comparisons  {measured:20} {row['shows']}"
    return line + "".join(f"; {name} left out, for the reason in align.json" for name in row["left_out"])


def _show_failures(console: Console, records: list[Record]) -> None:
    failed = [record for record in records if not record.passed]
    console.print(f"first to diverge: {failed[0].name}")
    table = Table("name", "difference", "limit", "cosine", "worst at", "note")
    for r in failed[:8]:
        numbers = [f"{value:.3g}" if value is not None else "" for value in (r.max_relative, r.limit, r.cosine)]
        table.add_row(r.name, *numbers, str(r.worst_index or ""), r.note)
    console.print(table)
