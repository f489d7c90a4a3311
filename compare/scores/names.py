"""Which arrays of a file are the codes, labels, image numbers and bit count of which side, by their names."""

import re
from collections.abc import Collection
from pathlib import Path

from compare.scores.arrays import NamedArrays
from shared.system.errors import UserError, printable

QUERY, DATABASE = "query", "database"
CODES, LABELS, INDEX, BITS = "codes", "labels", "index", "bits"
# their usual names, in lower case, in NumPy, PyTorch and MATLAB alike
_SIDES = {
    QUERY: "query|queries|q|test|tst|te",
    DATABASE: "database|dataset|db|base|gallery|retrieval|r|train|trn|tr",
}
_KINDS = {
    CODES: "(?:(?:hash|binary|bin)_?)?codes?|binary|hash|hashes|b",
    LABELS: "labels?|targets?|gnd|l|y",
    INDEX: "index|ids?",
    BITS: "(?:num_|n_)?bits",
}


def names_of(arrays: NamedArrays, role: str, path: Path) -> tuple[dict[str, str], bool]:
    """The names that belong to ``role``, by CODES, LABELS, INDEX and BITS, and whether the other side is there, too.

    Codes of one side alone are those of whichever role they are asked for. Raises UserError, which lists what is in
    the file, where there are no codes of this role, or several.
    """
    sides = _by_side(arrays.names)
    with_codes = [side for side in (role, "", *_SIDES) if CODES in sides.get(side, {})]
    if not with_codes:
        raise UserError(f"{path}: {_expected(role)}, received {arrays.listed}")
    side = with_codes[0]
    several = [same for kind in (CODES, LABELS) if len(same := sides[side].get(kind, [])) > 1]
    if several:
        raise UserError(
            f"{path}: {_expected(role)}, received {printable(', '.join(several[0]), 200)}, any of which may be "
            "meant; store one array of codes and its labels in a file of their own"
        )
    # the bit count of a file with both sides stands there once
    kinds = {BITS: sides.get("", {}).get(BITS, [])} | sides[side]
    return {kind: same[0] for kind, same in kinds.items() if len(same) == 1}, len(set(with_codes)) > 1


def _by_side(names: Collection[str]) -> dict[str, dict[str, list[str]]]:
    sides: dict[str, dict[str, list[str]]] = {}
    for name in names:
        for side, kind in _meanings(name):
            sides.setdefault(side, {}).setdefault(kind, []).append(name)
    return sides


def _meanings(name: str) -> list[tuple[str, str]]:
    """Side, "" if the name has none, and kind of the array of this name; empty if it is something else.

    >>> _meanings("codes"), _meanings("B_tst"), _meanings("retrievalL"), _meanings("margin")
    ([('', 'codes')], [('query', 'codes')], [('database', 'labels')], [])
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower())
    meanings = []
    for kind, kind_names in _KINDS.items():
        if re.fullmatch(kind_names, plain):
            meanings.append(("", kind))
        for side, side_names in _SIDES.items():
            if re.fullmatch(f"(?:{side_names})_?(?:{kind_names})|(?:{kind_names})_?(?:{side_names})", plain):
                meanings.append((side, kind))
    return meanings


def _expected(role: str) -> str:
    return f"expected the arrays codes and labels of the {role}, or {role}_codes and {role}_labels"
