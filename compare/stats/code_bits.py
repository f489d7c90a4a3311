"""How many bits of the codes differ between two runs, kept in the suite's folder for when the codes are gone."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from compare.frameworks.records import known_key
from compare.stats.twins import Twins
from shared.codes.codes import Codes
from shared.config.limits import MAX_BITS
from shared.system.errors import UserError
from shared.system.files import read_json, write_json
from shared.system.schema import LINE, SHARE, Record, Row, whole
from shared.training.run_schema import SEED
from shared.training.runs import Run

AGREEMENT_FILE = "agreement.json"


class BitsApart(NamedTuple):
    """Shares of the code bits that differ between two runs, 0 to 1."""

    queries: float
    database: float


class Measured(NamedTuple):
    """``shares``: those known, of each two runs. ``problems``: a sentence for what keeps codes from being compared."""

    shares: dict[Twins, BitsApart]
    problems: list[str]


def measure_bits(twins: Sequence[Twins], outs: Iterable[Path]) -> Measured:
    """Of each two runs, what the suites in ``outs`` keep of the very same checkpoints, else from their codes.

    Two runs of which neither is at hand are left out, as are those that ``problems`` name. Raises UserError for a
    damaged file of a suite.
    """
    kept = {key: share for out in outs for key, share in _read(out).items()}
    shares, problems = {}, []
    # codes of a cell are read once, and let go before those of the next: at 48 bits a run's take 12 MB
    for _, of_cell in groupby(sorted(twins, key=_cell), key=_cell):
        codes: dict[Path, Codes] = {}
        for pair in of_cell:
            try:
                share = kept.get(_key(pair)) or _from_codes(pair, codes)
            except UserError as error:
                problems.append(str(error))
            else:
                shares |= {pair: share} if share else {}
    return Measured(shares, list(dict.fromkeys(problems)))


def bits_apart(first: Codes, second: Codes) -> BitsApart:
    """The shares of bits that differ; UserError for codes of other images or another length."""
    differing = first.differing_bits(second)
    sides = differing[: first.num_queries], differing[first.num_queries :]
    return BitsApart(*(float(side.mean()) if side.size else 0.0 for side in sides))


def write_bits(shares: Mapping[Twins, BitsApart], folder: Path) -> None:
    """Keep them in ``folder``; nothing is written where there are none."""
    if shares:
        write_json(folder / AGREEMENT_FILE, [_described(twins) | share._asdict() for twins, share in shares.items()])


def _cell(twins: Twins) -> tuple[int, int]:
    return twins.bits, twins.seed


def _from_codes(twins: Twins, codes: dict[Path, Codes]) -> BitsApart | None:
    if not all(run.codes_file.exists() for run in twins.runs):
        return None
    both = [_codes(run, codes) for run in twins.runs]
    try:
        return bits_apart(*both)
    except UserError as error:
        raise UserError(f"{twins.describe()}: {error}") from error


def _codes(run: Run, codes: dict[Path, Codes]) -> Codes:
    if run.folder not in codes:
        codes[run.folder] = Codes.load(run.codes_file, run.recipe().num_classes)
    return codes[run.folder]


def _described(twins: Twins) -> dict:
    names = {name: getattr(twins, name) for name in ("control", "bits", "seed")}
    checkpoints = [run.result()["checkpoint_sha256"] for run in twins.runs]
    return {**names, "frameworks": list(twins.frameworks), "checkpoints": checkpoints}


def _key(twins: Twins) -> tuple:
    return _frozen(_described(twins))


def _frozen(entry: Mapping) -> tuple:
    names = ("control", "frameworks", "bits", "seed", "checkpoints")
    return tuple(tuple(entry[name]) if isinstance(entry[name], list) else entry[name] for name in names)


def _schema() -> list[Record]:
    return [
        Record(
            {
                "control": LINE,
                "frameworks": Row((known_key(), known_key())),
                "bits": whole(1, MAX_BITS),
                "seed": SEED,
                "checkpoints": Row((LINE, LINE)),
                "queries": SHARE,
                "database": SHARE,
            }
        )
    ]


def _read(out: Path) -> dict[tuple, BitsApart]:
    file = out / AGREEMENT_FILE
    try:
        entries = read_json(file, _schema()) if file.exists() else []
    except UserError as error:
        raise UserError(f"{error}; remove the file, and it is written again from the codes where they are") from error
    return {_frozen(entry): BitsApart(entry["queries"], entry["database"]) for entry in entries}
