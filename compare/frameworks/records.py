"""The frameworks that are compared: one record each, the only place in ``compare`` that spells their names.

A further framework is a package like ``torch_impl`` whose worker answers the verbs of ``shared.worker``, and a record
here: it then has its own option, columns, lines and colour, and its differences from the reference, everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.system.errors import UserError, printable
from shared.system.schema import Kind, one_of
from shared.worker.exported import FORMATS


@dataclass(frozen=True)
class Framework:
    """One framework: its names, its worker, and how figures and pages show it.

    ``key`` names it in folders, files and options: lower-case letters and digits. ``title`` is its full name and
    ``short`` the one for headings. ``module`` is the package that ``python -m`` runs as its worker.
    ``checkpoint_suffix`` is that of its own checkpoints.

    ``colour`` is the name of one in ``compare.page.figures``; ``line`` are settings of matplotlib's lines, which
    ``line_description`` describes; ``hatch`` fills its bars.
    """

    key: str
    title: str
    short: str
    module: str
    checkpoint_suffix: str
    colour: str
    line: dict[str, object] = field(hash=False)
    line_description: str
    hatch: str = ""

    @property
    def python_variable(self) -> str:
        """The environment variable that names its interpreter."""
        return f"GREEDYHASH_{self.key.upper()}_PYTHON"

    @property
    def export_formats(self) -> list[str]:
        """The forms of exported model that its worker writes."""
        return [name for name, known in FORMATS.items() if known.worker == self.module]


class Pair(NamedTuple):
    """A framework and the reference that it is compared with: a difference is the other's value minus the reference's.

    As text: "Other - Reference".
    """

    reference: Framework
    other: Framework

    def __str__(self) -> str:
        return f"{self.other.short} - {self.reference.short}"

    @property
    def keys(self) -> tuple[str, str]:
        """The other's and the reference's."""
        return self.other.key, self.reference.key

    @property
    def ratio(self) -> str:
        """The heading of the other's value over the reference's."""
        return f"{self.other.short} / {self.reference.short}"


class _Frameworks(dict[str, Framework]):
    def __missing__(self, key: str) -> Framework:
        raise UserError(f"framework: expected {' or '.join(sorted(self))}, received {printable(key, 60)!r}")


# in the order in which they are shown; the lines are told apart by colour, by line and by marker
_RECORDS = (
    Framework(
        key="torch",
        title="PyTorch Lightning",
        short="PyTorch",
        module="torch_impl",
        checkpoint_suffix=".ckpt",
        colour="blue",
        line={"ls": "-", "marker": "o", "lw": 2.4, "ms": 5},
        line_description="thick and solid",
    ),
    Framework(
        key="paddle",
        title="PaddlePaddle",
        short="Paddle",
        module="paddle_impl",
        checkpoint_suffix=".pdparams",
        colour="orange",
        # the thin dashes lie on the thick line
        line={"ls": "--", "marker": "s", "lw": 1.5, "ms": 5, "mfc": "none"},
        line_description="thin and dashed",
        hatch="///",
    ),
)
# by key, the reference first; UserError for a key that is not there
FRAMEWORKS: dict[str, Framework] = _Frameworks({record.key: record for record in _RECORDS})
# the two that the alignment ladder compares, by key
SIDES = Pair(*_RECORDS[:2]).keys


def reference() -> Framework:
    """The framework that every other is compared with."""
    return next(iter(FRAMEWORKS.values()))


def pairs() -> list[Pair]:
    """Every other framework with the reference."""
    first, *others = FRAMEWORKS.values()
    return [Pair(first, other) for other in others]


def named(pair: Pair, text: str, mark: str = ", ") -> str:
    """``text`` that is about one pair, beginning with the pair and ``mark`` where there are several."""
    return f"{pair}{mark}{text}" if len(pairs()) > 1 else text


def run_order() -> list[str]:
    """The keys in the order in which the frameworks run and are offered."""
    return sorted(FRAMEWORKS)


def known_key() -> Kind:
    """For the schema of a file: the key of a framework that has a record."""
    return one_of(*run_order())


def titles(keys: Sequence[str]) -> str:
    """Full names as one text: "A", "A and B", "A, B and C"."""
    *first, last = (FRAMEWORKS[key].title for key in keys)
    return f"{', '.join(first)} and {last}" if first else last


def all_of(count: int | None = None) -> str:
    """The word for so many frameworks, or for all there are: "both" or "all"."""
    return "both" if (count or len(FRAMEWORKS)) == 2 else "all"
