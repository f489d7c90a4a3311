"""How fast the evaluator is, beside the published codes' loop and beside a bare pass over the same data, in one run.

python compare/bench_evaluator.py                 CIFAR-10 (I) size, then up to ten million items from a file; a minute
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from shared.average_precision import average_precision
from shared.counting import Side, distance_counts
from shared.errors import exit_status
from shared.files import PROJECT_ROOT
from shared.hamming import popcount_pass
from shared.machine import cpu_info, num_threads, numpy_simd
from shared.packing import pack_codes
from shared.retrieval import Retrieval, evaluate

_QUERIES, _ITEMS, _BITS = 1000, 59_000, 48
_FLIPPED = 0.15  # of the bits of a class's code, item by item
Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="measurements of each, in turn")
    parser.add_argument("--part", choices=_PARTS, help="measure this alone and print the number (used by the whole)")
    parser.add_argument("--items", type=int, default=_ITEMS, metavar="N", help="for --part")
    arguments = parser.parse_args()
    if arguments.part:
        print(_PARTS[arguments.part](arguments.items))
        return
    data = synthetic(_ITEMS, _BITS)
    print(f"{cpu_info().get('model name', 'processor')}, {num_threads()} threads, NumPy {np.__version__}", flush=True)
    _report(data, arguments.rounds)
    _report_large(arguments.rounds)


def synthetic(items: int, bits: int) -> Data:
    """Query codes, query labels, database codes and labels: ten classes, class after class as in CIFAR-10 (I)."""
    generator = np.random.RandomState(0)
    centres = generator.rand(10, bits) > 0.5
    labels = [np.repeat(np.arange(10), count // 10) for count in (_QUERIES, items)]
    codes = [centres[label] ^ (generator.rand(len(label), bits) < _FLIPPED) for label in labels]
    return codes[0], labels[0], codes[1], labels[1]


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


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _report(data: Data, rounds: int) -> None:
    words = pack_codes(data[0]), data[1], pack_codes(data[2]), data[3]
    contenders = {
        "published loop": lambda: published_loop(*data),
        "published loop, no SIMD sort": None,
        "all scores and curves": lambda: _all_scores(words, _BITS),
        "expected, best, worst": lambda: _three_scores(words, _BITS),
        "bare XOR, popcount, histogram": lambda: _bare_pass(words, _BITS),
    }
    first = seconds(contenders["all scores and curves"])
    _three_scores(words, _BITS), _bare_pass(words, _BITS)
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            measured[name].append(seconds(work) if work else _in_process("loop", _ITEMS, simd=False))
    medians = {name: statistics.median(values) for name, values in measured.items()}
    print(f"\n{_QUERIES} queries x {_ITEMS} items x {_BITS} bits, medians of {rounds}")
    print(f"{'':32}{'seconds':>9}{'spread':>17}{'loop /':>9}{'no SIMD /':>11}{'/ bare':>8}")
    for name, median in medians.items():
        spread = f"{min(measured[name]):.4f}-{max(measured[name]):.4f}"
        ratios = [medians[loop] / median for loop in ("published loop", "published loop, no SIMD sort")]
        bare = median / medians["bare XOR, popcount, histogram"]
        print(f"{name:32}{median:>9.4f}{spread:>17}{ratios[0]:>9.1f}{ratios[1]:>11.1f}{bare:>8.2f}", flush=True)
    print(f"first call, with compiling or loading what was compiled: {first:.2f} s")
    print(f"memory beyond the inputs: {_in_process('memory', _ITEMS):.0f} MB")


def _report_large(rounds: int) -> None:
    print(f"\n{_QUERIES} queries x items x 64 bits, all scores; in memory: with every point of the curves")
    for items in (62_500, 250_000, 1_000_000):
        data = synthetic(items, 64)
        words = pack_codes(data[0]), data[1], pack_codes(data[2]), data[3]
        taken = statistics.median(seconds(lambda words=words: _all_scores(words, 64)) for _ in range(rounds))
        _print_large(items, "in memory", taken, _in_process("memory", items))
    for items in (1_000_000, 10_000_000):
        taken = statistics.median(_in_process("mapped-time", items) for _ in range(3))
        _print_large(items, "memory-mapped", taken, _in_process("mapped", items))


def _print_large(items: int, where: str, taken: float, megabytes: float) -> None:
    pairs = _QUERIES * items / taken / 1e9
    whole = "in the whole process" if where == "memory-mapped" else "beyond the inputs"
    print(
        f"{items:>12,} {where:14}{taken:>9.3f} s{pairs:>7.2f} thousand million pairs/s{megabytes:>6.0f} MB {whole}",
        flush=True,
    )


def _all_scores(words: Data, bits: int) -> Retrieval:
    result = evaluate(*words, bits=bits)
    result.other_scores()
    _ = result.rank_curve
    return result


def _three_scores(words: Data, bits: int) -> None:
    average_precision(*distance_counts(Side(*words[:2]), Side(*words[2:]), bits))


def _bare_pass(words: Data, bits: int) -> None:
    queries, database = words[0][:, 0], words[2][:, 0]
    counts = np.zeros((len(queries), bits + 1), np.int64)
    parts = [slice(start, start + 32) for start in range(0, len(queries), 32)]
    with ThreadPoolExecutor(num_threads()) as pool:
        list(pool.map(lambda part: popcount_pass(counts[part], queries[part], database), parts))


def _in_process(part: str, items: int, simd: bool = True) -> float:
    """A part measured in a fresh process, whose NumPy may have to sort without vector extensions."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT)}
    if not simd:
        environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(numpy_simd())
    command = [sys.executable, "-W", "ignore", "compare/bench_evaluator.py", "--part", part, "--items", str(items)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _loop_seconds(items: int) -> float:
    data = synthetic(items, _BITS)
    return seconds(lambda: published_loop(*data))


def _memory_megabytes(items: int) -> float:
    """How far the process's resident memory rises while all scores are computed."""
    data = synthetic(items, _BITS)
    words = pack_codes(data[0]), data[1], pack_codes(data[2]), data[3]
    _all_scores(tuple(array[:100] for array in words), _BITS)  # what is compiled is not counted
    before = _resident()
    return _peak(lambda: _all_scores(words, _BITS)) - before


def _mapped_megabytes(items: int) -> float:
    """The whole process's peak while it scores a database in memory-mapped files."""
    return _with_mapped(items, _peak)


def _mapped_seconds(items: int) -> float:
    return _with_mapped(items, seconds)


def _with_mapped(items: int, measure: Callable[[Callable[[], object]], float]) -> float:
    queries, query_labels, _, _ = synthetic(10, 64)
    with tempfile.TemporaryDirectory() as folder:
        codes, labels = Path(folder) / "codes.npy", Path(folder) / "labels.npy"
        _write_database(codes, labels, items)
        mapped = [np.load(file, mmap_mode="r") for file in (codes, labels)]
        evaluate(pack_codes(queries), query_labels, *(array[:100] for array in mapped))
        return measure(lambda: evaluate(pack_codes(queries), query_labels, *mapped).other_scores())


def _write_database(codes: Path, labels: Path, items: int) -> None:
    generator = np.random.RandomState(1)
    words = np.lib.format.open_memmap(codes, "w+", np.uint64, (items, 1))
    classes = np.lib.format.open_memmap(labels, "w+", np.uint8, (items,))
    for start in range(0, items, 1_000_000):
        part = slice(start, min(start + 1_000_000, items))
        words[part] = generator.randint(0, 2**64, (part.stop - start, 1), np.uint64)
        classes[part] = generator.randint(0, 10, part.stop - start)


def _peak(work: Callable[[], object]) -> float:
    """The largest resident memory during the call in MB, sampled every millisecond."""
    samples, done = [_resident()], threading.Event()

    def sample() -> None:
        while not done.wait(0.001):
            samples.append(_resident())

    sampler = threading.Thread(target=sample)
    sampler.start()
    work()
    done.set()
    sampler.join()
    return max(samples)


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


_PARTS = {
    "loop": _loop_seconds,
    "memory": _memory_megabytes,
    "mapped": _mapped_megabytes,
    "mapped-time": _mapped_seconds,
}


if __name__ == "__main__":
    sys.exit(exit_status(main))
