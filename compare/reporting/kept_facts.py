"""What the codes of a suite look like, length by length, kept in its folder for when the codes themselves are gone."""

import json

from compare.reporting.codes import LengthFacts, agreement, code_facts, facts_as_json, facts_from_json
from compare.reporting.curves import STYLES
from compare.reporting.data import Material, Member
from shared.codes import Codes
from shared.errors import UserError
from shared.files import read_json, write_text

FACTS_FILE = "codes.json"


def facts_by_length(material: Material) -> dict[int, LengthFacts]:
    """Every length that has a finished run, from its codes or as kept in ``FACTS_FILE``, which is written anew.

    A file that is missing or damaged becomes a problem of the suite.
    """
    kept = _kept(material)
    facts = {bits: _of_length(material, bits, kept.get(str(bits))) for bits in material.finished_lengths}
    entries = {str(bits): _entry(material, bits, own) for bits, own in facts.items() if own.of}
    if entries:
        # on one line: numbers for this module, thousands of them
        write_text(material.out / FACTS_FILE, json.dumps(entries, allow_nan=False) + "\n")
    return facts


def _of_length(material: Material, bits: int, entry: dict | None) -> LengthFacts:
    """The lowest seed of which the most frameworks have codes, unless more are kept."""
    seeds = sorted({member.cell.seed for member in material.finished if member.cell.bits == bits})
    with_codes = {seed: len(_members(material, bits, seed, with_codes=True)) for seed in seeds}
    seed = max(seeds, key=lambda seed: (with_codes[seed], -seed))
    if entry and len(entry["frameworks"]) > with_codes[seed] and _is_current(material, bits, entry):
        of = {name: facts_from_json(own["facts"]) for name, own in entry["frameworks"].items()}
        return LengthFacts(entry["seed"], of, entry["agreement"])
    codes = _readable_codes(material, _members(material, bits, seed))
    of = {name: code_facts(own) for name, own in codes.items()}
    return LengthFacts(seed, of, agreement(*codes.values()) if len(codes) == len(STYLES) else None)


def _members(material: Material, bits: int, seed: int, with_codes: bool = False) -> list[Member]:
    """The finished runs of this length and seed, a framework each, in the order of the curves."""
    members = filter(None, (material.finished_run(name, bits, seed) for name in STYLES))
    return [member for member in members if not with_codes or member.run.codes_file.exists()]


def _readable_codes(material: Material, members: list[Member]) -> dict[str, Codes]:
    codes = {}
    for member in members:
        try:
            codes[member.cell.framework] = member.codes()
        except UserError as error:
            material.problems.append(str(error))
    return codes


def _entry(material: Material, bits: int, own: LengthFacts) -> dict:
    checkpoints = _checkpoints(material, bits, own.seed)
    frameworks = {
        name: {"checkpoint_sha256": checkpoints[name], "facts": facts_as_json(facts)} for name, facts in own.of.items()
    }
    return {"seed": own.seed, "agreement": own.agreement, "frameworks": frameworks}


def _is_current(material: Material, bits: int, entry: dict) -> bool:
    """Whether the kept facts are of the very runs that the suite holds now."""
    checkpoints = _checkpoints(material, bits, entry["seed"])
    return all(own["checkpoint_sha256"] == checkpoints.get(name) for name, own in entry["frameworks"].items())


def _checkpoints(material: Material, bits: int, seed: int) -> dict[str, str]:
    return {own.cell.framework: own.result["checkpoint_sha256"] for own in _members(material, bits, seed)}


def _kept(material: Material) -> dict:
    file = material.out / FACTS_FILE
    try:
        return read_json(file) if file.exists() else {}
    except UserError as error:
        material.problems.append(str(error))
        return {}
