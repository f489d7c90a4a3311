"""Metrics of a suite's codes, length by length, saved in its folder for when the codes themselves are gone."""

from compare.frameworks.records import FRAMEWORKS, known_key
from compare.page.codes import CodeMetrics, LengthMetrics, agreement, code_metrics, metrics_as_json, metrics_from_json
from compare.page.data import RunData, SuiteData
from shared.codes.codes import Codes
from shared.config.protocols import MAX_CLASSES
from shared.system.errors import UserError
from shared.system.files import read_json, write_json
from shared.system.schema import FLAG, LINE, SHARE, Each, Maybe, Record, Row, number, whole
from shared.training.run_schema import CODE_LENGTH, SEED

METRICS_FILE = "codes.json"
_MOST_BYTES = 2**29
_DISTANCE = number(0).or_none()
_QUALITY = {
    "items": whole(1),
    "classes": whole(1),
    "distinct": whole(1),
    "within": _DISTANCE,
    "between": _DISTANCE,
    "quantization_error": number(0).or_none(),
}
_PROJECTION = {"points": [Row((number(), number()))], "items": [whole(1)], "explained": Row((SHARE, SHARE))}
_CURVES = {
    "ranks": [whole(1)],
    "by_rank": Record({"precision": [SHARE], "recall": [SHARE]}),
    "balance": [SHARE],
    "correlation": [[number(-1.01, 1.01)]],
    "margin": number(0),
    "zeros": whole(),
}
_NOTHING = LengthMetrics(-1, {}, None, {})


def metrics_by_length(suite_data: SuiteData) -> dict[int, LengthMetrics]:
    """Metrics of every length with a finished run, from its codes or as saved in ``METRICS_FILE``, which is rewritten.

    A file that is missing or damaged becomes a problem of the suite.
    """
    saved = {bits: _uncontradicted(suite_data, bits, metrics) for bits, metrics in _read(suite_data).items()}
    by_length = {bits: _of_length(suite_data, bits, saved.get(bits, _NOTHING)) for bits in suite_data.finished_lengths}
    better = {
        bits: metrics
        for bits, metrics in by_length.items()
        if metrics.of and len(metrics.of) >= len(saved.get(bits, _NOTHING).of)
    }
    if better:
        _write(suite_data, saved | better)
    return by_length


def _of_length(suite_data: SuiteData, bits: int, saved: LengthMetrics) -> LengthMetrics:
    """The metrics of the lowest seed at which the most frameworks have codes or saved metrics."""
    seeds = sorted({run_data.cell.seed for run_data in suite_data.finished if run_data.cell.bits == bits})
    seed = max(seeds, key=lambda seed: (len(_described(_finished_runs(suite_data, bits, seed), saved)), -seed))
    runs, old = _finished_runs(suite_data, bits, seed), saved.of if saved.seed == seed else {}
    codes = _readable_codes(suite_data, runs, old)
    names = [name for name in (run_data.cell.framework for run_data in runs) if name in codes or name in old]
    of = {name: code_metrics(codes[name]) if name in codes else old[name] for name in names}
    checkpoints = _checkpoints(suite_data, bits, seed)
    if len(codes) == len(runs) > 1:
        return LengthMetrics(seed, of, agreement(*codes.values()), checkpoints)
    return LengthMetrics(seed, of, saved.agreement if of and of.keys() <= old.keys() else None, checkpoints)


def _finished_runs(suite_data: SuiteData, bits: int, seed: int) -> list[RunData]:
    """The finished runs of this length and seed, a framework each, in the order of the curves."""
    return [*filter(None, (suite_data.finished_run(name, bits, seed) for name in FRAMEWORKS))]


def _described(runs: list[RunData], saved: LengthMetrics) -> list[RunData]:
    """Those that have codes or saved metrics."""
    return [
        m for m in runs if m.run.codes_file.exists() or (m.cell.seed == saved.seed and m.cell.framework in saved.of)
    ]


def _readable_codes(suite_data: SuiteData, runs: list[RunData], old: dict[str, CodeMetrics]) -> dict[str, Codes]:
    codes = {}
    for run_data in runs:
        try:
            if run_data.run.codes_file.exists() or run_data.cell.framework not in old:
                codes[run_data.cell.framework] = run_data.codes()
        except UserError as error:
            # the table may have said it
            suite_data.problems.extend({str(error)} - {*suite_data.problems})
    return codes


def _checkpoints(suite_data: SuiteData, bits: int, seed: int) -> dict[str, str]:
    runs = _finished_runs(suite_data, bits, seed)
    return {run_data.cell.framework: run_data.result["checkpoint_sha256"] for run_data in runs}


def _uncontradicted(suite_data: SuiteData, bits: int, saved: LengthMetrics) -> LengthMetrics:
    """``saved`` without the metrics of runs that were made again since."""
    now = _checkpoints(suite_data, bits, saved.seed)
    of = {name: metrics for name, metrics in saved.of.items() if now.get(name) in (None, saved.checkpoints[name])}
    return saved._replace(of=of, agreement=saved.agreement if len(of) == len(saved.of) else None)


def _schema(num_classes: int) -> Each:
    key, label = known_key(), whole(0, num_classes - 1)
    rankings = [Row((whole(), label, [Row((whole(), label, whole(), FLAG))]))]
    quality = Maybe(Record({**_QUALITY, "projection": Record({**_PROJECTION, "labels": [label]})}))
    metrics = Record({**_CURVES, "rankings": rankings, "quality": quality}, later={"quality": None})
    fields = {"of": Each(metrics, key), "checkpoints": Each(LINE, key)}
    return Each(Record({"seed": SEED, "agreement": SHARE.or_none(), **fields}), key=CODE_LENGTH)


def _read(suite_data: SuiteData) -> dict[int, LengthMetrics]:
    file = suite_data.out / METRICS_FILE
    num_classes = min((run.recipe.num_classes for run in suite_data.runs if run.recipe), default=MAX_CLASSES)
    try:
        entries = read_json(file, _schema(num_classes), _MOST_BYTES) if file.exists() else {}
        return {int(bits): _decoded(entry, int(bits), f"{file}: {bits}") for bits, entry in entries.items()}
    except UserError as error:
        suite_data.problems.extend(error.args)
    return {}


def _decoded(entry: dict, bits: int, where: str) -> LengthMetrics:
    for metrics in entry["of"].values():
        _check_lengths(metrics, bits, where)
    of = {name: metrics_from_json(metrics) for name, metrics in entry["of"].items() if name in entry["checkpoints"]}
    return LengthMetrics(**{**entry, "of": of})


def _check_lengths(metrics: dict, bits: int, where: str) -> None:
    points = {len(values) for values in (metrics["ranks"], *metrics["by_rank"].values())}
    sides = {len(values) for values in (metrics["balance"], metrics["correlation"], *metrics["correlation"])}
    if len(points) != 1 or sides != {bits}:
        raise UserError(f"{where}: expected curves of one length, and as many bits in balance and correlation")
    if metrics["quality"]:
        counts = {len(metrics["quality"]["projection"][name]) for name in ("points", "labels", "items")}
        if len(counts) != 1 or 0 in counts:
            raise UserError(f"{where}: expected as many points, labels and items in the projection, one or more")


def _write(suite_data: SuiteData, saved: dict[int, LengthMetrics]) -> None:
    entries = {
        str(bits): length._asdict() | {"of": {name: metrics_as_json(metrics) for name, metrics in length.of.items()}}
        for bits, length in saved.items()
    }
    write_json(suite_data.out / METRICS_FILE, entries, one_line=True)  # numbers for this module, thousands of them
