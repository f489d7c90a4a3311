"""Cases of one kind, each known by its number alone: made, read, timed, and any fault told in full."""

import faulthandler
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.kinds import KINDS
from tests.fuzz.structures import CANARY

MOST_SECONDS, MOST_BYTES = 10, 1 << 30


class Fault(AssertionError):
    """A reader did what no file may make it do."""


def make_seeds(folder, kind, writer=None):
    """Valid files of this kind in ``folder``, which must not be there yet."""
    folder.mkdir(parents=True)
    KINDS[kind].make(folder, writer)
    return folder


def make_case(seeds, kind, number, folder):
    """Write the hostile folder of this number; the file that was changed."""
    choose = random.Random(f"{kind} {number}")
    pattern, changes = KINDS[kind].pattern, KINDS[kind].changes
    files = sorted(file for file in seeds.rglob(pattern) if file.is_file() and not file.name.startswith("table"))
    file = choose.choice(files)
    variant = seeds / file.relative_to(seeds).parts[0]
    shutil.copytree(variant, folder, copy_function=lambda source, target: Path(target).hardlink_to(source))
    corrupted = folder / file.relative_to(variant)
    corrupted.unlink()
    corrupted.write_bytes(choose.choice(changes)(file.read_bytes(), choose))
    return corrupted


def run_case(seeds, kind, number, scratch):
    """Whether the case's files were read; Fault for any other end than that and UserError."""
    folder = scratch / "case"
    try:
        make_case(seeds, kind, number, folder)
        started = time.process_time()
        try:
            was_read = KINDS[kind].read(folder)
        except Exception as error:
            trace = "".join(traceback.format_exception(error)[-12:])
            raise Fault(f"python -m tests.fuzz {kind} {number}\n{trace}") from error
        seconds = time.process_time() - started
        if CANARY.exists():
            CANARY.unlink()
            raise Fault(f"python -m tests.fuzz {kind} {number}\nit ran what is in the file")
        if seconds > MOST_SECONDS:
            raise Fault(f"python -m tests.fuzz {kind} {number}\nit took {seconds:.0f} s")
        return was_read
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_within_limits(seeds, kind, numbers):
    """Run the cases in this process, which is given up to them: it ends at one without end; the faults and counts."""
    # what libraries reserve at their first use, Arrow a GiB of address space, is not the cases' own
    KINDS[kind].read(next(seeds.iterdir()))
    allow_memory(MOST_BYTES)
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)  # says where, then the signal ends the process
    counts, faults = Counter(), []
    with tempfile.TemporaryDirectory() as scratch:
        for number in numbers:
            print(f"{kind} {number}", flush=True)
            signal.setitimer(signal.ITIMER_PROF, 2 * MOST_SECONDS)
            try:
                counts["read" if run_case(seeds, kind, number, Path(scratch)) else "refused"] += 1
            except Fault as fault:
                counts["fault"] += 1
                faults.append(str(fault))
    signal.setitimer(signal.ITIMER_PROF, 0)
    return counts, faults


def allow_memory(most):
    """Let this process have ``most`` bytes more of address space than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + most, resource.RLIM_INFINITY))
