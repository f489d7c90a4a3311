"""Measuring the evaluator beside the published codes' loop and beside a bare pass over the same data."""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from compare.speed.code_samples import QUERIES, Data, synthetic, trained_like, write_random, write_trained_like
from shared.codes.packing import pack_codes
from shared.scoring.average_precision import average_precision
from shared.scoring.counting import Side, distance_counts
from shared.scoring.retrieval import Retrieval, evaluate
from shared.system.files import PROJECT_ROOT
from shared.system.machine import cpu_info, num_threads, numpy_simd

ITEMS, _BITS = 59_000, 48
_LARGE_BITS = 64
_IN_MEMORY, _MAPPED = (62_500, 250_000, 1_000_000), (1_000_000, 10_000_000)
_NO_SIMD = "published loop, no SIMD sort"
SAMPLES = {"random": synthetic, "trained-like": trained_like}
_FILES = {"random": write_random, "trained-like": write_trained_like}


def report(rounds: int) -> None:
    """Measure ``rounds`` times and print the medians."""
    print(f"{cpu_info().get('model name', 'processor')}, {num_threads()} threads, NumPy {np.__version__}", flush=True)
    _report(synthetic(ITEMS, _BITS), rounds)
    _report_codes(rounds)
    _report_large(rounds)


def published_loop(query_codes: np.ndarray, query_labels: np.ndarray, codes: np.ndarray, labels: np.ndarray) -> float:
    """The mAP as in DeepHash-pytorch and paddle_greedyhash: query by query, float32 codes, one-hot labels, argsort."""
    queries, database = (array.astype(np.float32) * 2 - 1 for array in (query_codes, codes))
    one_hot = np.eye(10, dtype=np.float32)
    total = 0.0
    for query, label in zip(queries, one_hot[query_labels], strict=True):
        relevant = one_hot[labels] @ label > 0
        ranks = np.flatnonzero(relevant[np.argsort(0.5 * (codes.shape[1] - database @ query))]) + 1
        total += (np.arange(1, len(ranks) + 1) / ranks).mean()
    return total / len(queries)


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _report(data: Data, rounds: int) -> None:
    packed = _packed(data)
    first = seconds(partial(_warm_up, packed, _BITS))
    measures = {
        "published loop": partial(seconds, partial(published_loop, *data)),
        _NO_SIMD: partial(_in_process, "loop", "random", ITEMS, simd=False),
        "all scores and curves": partial(seconds, partial(_all_scores, packed, _BITS)),
        "expected, best, worst": partial(seconds, partial(_three_scores, packed, _BITS)),
        "bare XOR, popcount, histogram": partial(seconds, partial(_bare_pass, packed, _BITS)),
    }
    measured = _in_turn(measures, rounds)
    medians = {name: statistics.median(values) for name, values in measured.items()}
    print(f"\n{QUERIES} queries x {ITEMS} items x {_BITS} bits, medians of {rounds}")
    print(f"{'':32}{'seconds':>9}{'spread':>17}{'loop /':>9}{'no SIMD /':>11}{'/ bare':>8}")
    for name, median in medians.items():
        spread = f"{min(measured[name]):.4f}-{max(measured[name]):.4f}"
        ratios = [medians[loop] / median for loop in ("published loop", _NO_SIMD)]
        bare = median / medians["bare XOR, popcount, histogram"]
        print(f"{name:32}{median:>9.4f}{spread:>17}{ratios[0]:>9.1f}{ratios[1]:>11.1f}{bare:>8.2f}", flush=True)
    print(f"first call, with compiling or loading what was compiled: {first:.2f} s")
    print(f"memory beyond the inputs: {_in_process('memory', 'random', ITEMS):.0f} MB")


def _report_codes(rounds: int) -> None:
    """How much repeated codes save: scores beside a bare pass over every pair of the same codes."""
    print(f"\n{QUERIES} queries x {ITEMS} items, seconds, medians of {rounds}")
    headings = ("codes", "all scores", "three mAPs", "bare pass", "all / bare", "three / bare")
    print(" " * 22 + "".join(f"{heading:>14}" for heading in headings))
    for name, bits in (("random", 48), ("random", 64), ("trained-like", 48), ("trained-like", 12)):
        packed = _packed(SAMPLES[name](ITEMS, bits))
        _warm_up(packed, bits)
        functions = (_all_scores, _three_scores, _bare_pass)
        measures = {function.__name__: partial(seconds, partial(function, packed, bits)) for function in functions}
        every, three, bare = (statistics.median(values) for values in _in_turn(measures, rounds).values())
        label, times = f"{name}, {bits} bits", f"{every:14.4f}{three:14.4f}{bare:14.4f}"
        ratios = f"{every / bare:14.2f}{three / bare:14.2f}"
        print(f"{label:22}{len(np.unique(packed[2])):14,}{times}{ratios}", flush=True)


def _report_large(rounds: int) -> None:
    print(f"\n{QUERIES} queries x items x {_LARGE_BITS} bits, all scores; in memory: with every point of the curves")
    for name, sample in SAMPLES.items():
        for items in _IN_MEMORY:
            packed = _packed(sample(items, _LARGE_BITS))
            taken = statistics.median(seconds(partial(_all_scores, packed, _LARGE_BITS)) for _ in range(rounds))
            _print_large(name, items, "in memory", taken, _in_process("memory", name, items))
        for items in _MAPPED:
            taken = statistics.median(_in_process("mapped-time", name, items) for _ in range(3))
            _print_large(name, items, "memory-mapped", taken, _in_process("mapped", name, items))


def _print_large(name: str, items: int, where: str, taken: float, megabytes: float) -> None:
    pairs = QUERIES * items / taken / 1e9
    whole = "in the whole process" if where == "memory-mapped" else "beyond the inputs"
    taken_by = f"{taken:>9.3f} s{pairs:>7.2f} thousand million pairs/s"
    print(f"{name:13}{items:>12,} {where:14}{taken_by}{megabytes:>6.0f} MB {whole}", flush=True)


def _packed(data: Data) -> Data:
    return pack_codes(data[0]), data[1], pack_codes(data[2]), data[3]


def _warm_up(packed: Data, bits: int) -> None:
    """Compile, or load what was compiled, for codes of this kind, different ones and equal ones."""
    for sample in ([array[:100] for array in packed], [np.repeat(array[:1], 100, axis=0) for array in packed]):
        _all_scores(sample, bits)
        _three_scores(sample, bits)
        _bare_pass(sample, bits)


def _in_turn(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The values of each measure, taken round by round."""
    measured = [[measure() for measure in measures.values()] for _ in range(rounds)]
    return dict(zip(measures, map(list, zip(*measured, strict=True)), strict=True))


def _all_scores(packed: Data, bits: int) -> Retrieval:
    result = evaluate(*packed, bits=bits)
    result.other_scores()
    _ = result.rank_curve
    return result


def _three_scores(packed: Data, bits: int) -> None:
    average_precision(*distance_counts(Side(*packed[:2]), Side(*packed[2:]), bits))


def _bare_pass(packed: Data, bits: int) -> None:
    from shared.scoring.hamming import popcount_pass  # numba

    queries, database = packed[0][:, 0], packed[2][:, 0]
    counts = np.zeros((len(queries), bits + 1), np.int64)
    parts = [slice(start, start + 32) for start in range(0, len(queries), 32)]
    with ThreadPoolExecutor(num_threads()) as pool:
        list(pool.map(lambda part: popcount_pass(counts[part], queries[part], database), parts))


def _in_process(part: str, codes: str, items: int, simd: bool = True) -> float:
    """A part measured in a fresh process, whose NumPy may have to sort without vector extensions."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT)}
    if not simd:
        environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(numpy_simd())
    command = [sys.executable, "-W", "ignore", "compare/bench_evaluator.py"]
    command += ["--part", part, "--codes", codes, "--items", str(items)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _loop_seconds(codes: str, items: int) -> float:
    data = SAMPLES[codes](items, _BITS)
    return seconds(lambda: published_loop(*data))


def _memory_megabytes(codes: str, items: int) -> float:
    """How far the process's resident memory rises while all scores are computed."""
    packed = _packed(SAMPLES[codes](items, _BITS))
    _warm_up(packed, _BITS)
    before = _resident()
    return _peak(lambda: _all_scores(packed, _BITS)) - before


def _mapped_megabytes(codes: str, items: int) -> float:
    """The whole process's peak while it scores a database in memory-mapped files."""
    return _with_mapped(codes, items, _peak)


def _mapped_seconds(codes: str, items: int) -> float:
    return _with_mapped(codes, items, seconds)


def _with_mapped(codes: str, items: int, measure: Callable[[Callable[[], object]], float]) -> float:
    queries, query_labels, _, _ = _packed(SAMPLES[codes](10, _LARGE_BITS))
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "codes.npy", Path(folder) / "labels.npy"
        _FILES[codes](*files, items)
        mapped = [np.load(file, mmap_mode="r") for file in files]
        _warm_up((queries, query_labels, *mapped), _LARGE_BITS)
        return measure(lambda: evaluate(queries, query_labels, *mapped).other_scores())


def _peak(function: Callable[[], object]) -> float:
    """The largest resident memory during the call in MB, sampled every millisecond."""
    samples, done = [_resident()], threading.Event()

    def sample() -> None:
        while not done.wait(0.001):
            samples.append(_resident())

    sampler = threading.Thread(target=sample)
    sampler.start()
    function()
    done.set()
    sampler.join()
    return max(samples)


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


PARTS = {
    "loop": _loop_seconds,
    "memory": _memory_megabytes,
    "mapped": _mapped_megabytes,
    "mapped-time": _mapped_seconds,
}
