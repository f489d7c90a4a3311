"""What the codes of a suite look like, length by length, saved in its folder for when the codes themselves are gone."""

import json

from compare.frameworks.records import FRAMEWORKS, known_key
from compare.page.codes import CodeFacts, LengthFacts, agreement, code_facts, facts_as_json, facts_from_json
from compare.page.data import RunData, SuiteData
from shared.codes.codes import Codes
from shared.config.recipe import NUM_CLASSES
from shared.system.errors import UserError
from shared.system.files import read_json, write_text
from shared.system.schema import FLAG, LINE, SHARE, Each, Record, Row, number, whole
from shared.training.run_schema import CODE_LENGTH, SEED

FACTS_FILE = "codes.json"
_MOST_BYTES = 2**29
_CLASS = whole(0, NUM_CLASSES - 1)
_FACTS = Record(
    {
        "ranks": [whole(1)],
        "by_rank": Record({"precision": [SHARE], "recall": [SHARE]}),
        "balance": [SHARE],
        "correlation": [[number(-1.01, 1.01)]],
        "margin": number(0),
        "zeros": whole(),
        "rankings": [Row((whole(), _CLASS, [Row((whole(), _CLASS, whole(), FLAG))]))],
    }
)
_NOTHING = LengthFacts(-1, {}, None, {})


def facts_by_length(suite_data: SuiteData) -> dict[int, LengthFacts]:
    """Every length that has a finished run, from its codes or as saved in ``FACTS_FILE``, which is written anew.

    A file that is missing or damaged becomes a problem of the suite.
    """
    saved = {bits: _uncontradicted(suite_data, bits, own) for bits, own in _read(suite_data).items()}
    facts = {bits: _of_length(suite_data, bits, saved.get(bits, _NOTHING)) for bits in suite_data.finished_lengths}
    better = {bits: own for bits, own in facts.items() if own.of and len(own.of) >= len(saved.get(bits, _NOTHING).of)}
    if better:
        _write(suite_data, saved | better)
    return facts


def _of_length(suite_data: SuiteData, bits: int, saved: LengthFacts) -> LengthFacts:
    """Of the lowest seed at which the most frameworks have codes or saved facts."""
    seeds = sorted({member.cell.seed for member in suite_data.finished if member.cell.bits == bits})
    seed = max(seeds, key=lambda seed: (len(_described(_members(suite_data, bits, seed), saved)), -seed))
    members, old = _members(suite_data, bits, seed), saved.of if saved.seed == seed else {}
    codes = _readable_codes(suite_data, members, old)
    names = [name for name in (member.cell.framework for member in members) if name in codes or name in old]
    of = {name: code_facts(codes[name]) if name in codes else old[name] for name in names}
    checkpoints = _checkpoints(suite_data, bits, seed)
    if len(codes) == len(members) > 1:
        return LengthFacts(seed, of, agreement(*codes.values()), checkpoints)
    return LengthFacts(seed, of, saved.agreement if of and of.keys() <= old.keys() else None, checkpoints)


def _members(suite_data: SuiteData, bits: int, seed: int) -> list[RunData]:
    """The finished runs of this length and seed, a framework each, in the order of the curves."""
    return [*filter(None, (suite_data.finished_run(name, bits, seed) for name in FRAMEWORKS))]


def _described(members: list[RunData], saved: LengthFacts) -> list[RunData]:
    """Those that have codes or saved facts."""
    return [
        m for m in members if m.run.codes_file.exists() or (m.cell.seed == saved.seed and m.cell.framework in saved.of)
    ]


def _readable_codes(suite_data: SuiteData, members: list[RunData], old: dict[str, CodeFacts]) -> dict[str, Codes]:
    codes = {}
    for member in members:
        try:
            if member.run.codes_file.exists() or member.cell.framework not in old:
                codes[member.cell.framework] = member.codes()
        except UserError as error:
            suite_data.problems.append(str(error))
    return codes


def _checkpoints(suite_data: SuiteData, bits: int, seed: int) -> dict[str, str]:
    return {own.cell.framework: own.result["checkpoint_sha256"] for own in _members(suite_data, bits, seed)}


def _uncontradicted(suite_data: SuiteData, bits: int, saved: LengthFacts) -> LengthFacts:
    """Without the facts of runs that were made again since."""
    now = _checkpoints(suite_data, bits, saved.seed)
    of = {name: facts for name, facts in saved.of.items() if now.get(name) in (None, saved.checkpoints[name])}
    return saved._replace(of=of, agreement=saved.agreement if len(of) == len(saved.of) else None)


def _schema() -> Each:
    key = known_key()
    fields = {"of": Each(_FACTS, key), "checkpoints": Each(LINE, key)}
    return Each(Record({"seed": SEED, "agreement": SHARE.or_none(), **fields}), key=CODE_LENGTH)


def _read(suite_data: SuiteData) -> dict[int, LengthFacts]:
    file = suite_data.out / FACTS_FILE
    try:
        entries = read_json(file, _schema(), _MOST_BYTES) if file.exists() else {}
        return {int(bits): _decoded(entry, int(bits), f"{file}: {bits}") for bits, entry in entries.items()}
    except UserError as error:
        suite_data.problems.extend(error.args)
    return {}


def _decoded(entry: dict, bits: int, where: str) -> LengthFacts:
    for facts in entry["of"].values():
        points = {len(values) for values in (facts["ranks"], *facts["by_rank"].values())}
        sides = {len(values) for values in (facts["balance"], facts["correlation"], *facts["correlation"])}
        if len(points) != 1 or sides != {bits}:
            raise UserError(f"{where}: expected curves of one length, and as many bits in balance and correlation")
    of = {name: facts_from_json(facts) for name, facts in entry["of"].items() if name in entry["checkpoints"]}
    return LengthFacts(**{**entry, "of": of})


def _write(suite_data: SuiteData, saved: dict[int, LengthFacts]) -> None:
    entries = {
        str(bits): own._asdict() | {"of": {name: facts_as_json(facts) for name, facts in own.of.items()}}
        for bits, own in saved.items()
    }
    # on one line: numbers for this module, thousands of them
    write_text(suite_data.out / FACTS_FILE, json.dumps(entries, allow_nan=False) + "\n")
