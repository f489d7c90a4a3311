"""What the published suites support together, in three sentences, and the page that shows them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from compare.frameworks.records import FRAMEWORKS, Pair, named, pairs, reference
from compare.page.rerun import suite_commands
from compare.stats.code_bits import measure_bits
from compare.stats.equivalence import UNDECIDED, Overall, Paired, overall
from compare.stats.gather import Gathered, gather
from compare.stats.pairs import control_differences, decidable, differences_by_pair, single, waiting
from compare.stats.rounding_study import rounding_studies
from compare.stats.twins import twins_of
from compare.suite.studies import CONTROLS
from compare.tables.agreement_text import agreement_table
from compare.tables.published import OPEN_DIFFERENCE
from compare.tables.rounding_text import rounding_notes
from compare.tables.same_bits_text import same_bits_notes
from compare.tables.table_text import plural, start
from shared.config.kernels import NATIVE
from shared.config.recipe import PRESETS, Recipe
from shared.system.words import listed

_HEAD = """# Results

Measured by this project and written by `compare/publish.py` from the raw rows beside this page; nothing is edited by
hand, and `python compare/table.py results/NAME` writes each table again, byte for byte. Published figures of others are
in `reference/`. Each suite's `report.html` shows its curves, ladder, speed and environment, and the command of every
single run.
"""


@dataclass(frozen=True)
class PublishedSuite:
    """A suite under results/; ``runs`` and the recipe they share exist."""

    name: str
    folder: Path
    gathered: Gathered

    @cached_property
    def recipe(self) -> Recipe:
        return self.gathered.runs[0].recipe()

    @cached_property
    def differences(self) -> dict[Pair, dict[int, dict[int, float]]]:
        """Pair -> bits -> seed -> the other's mAP minus the reference's."""
        return differences_by_pair(run.result() for run in self.gathered.runs)

    @cached_property
    def judged(self) -> dict[Pair, Overall]:
        """For each pair the test over seeds of the lengths that have all of several; none where none has."""
        judged = {pair: decidable(by_bits, self.gathered.grid) for pair, by_bits in self.differences.items()}
        return {pair: overall(by_bits, self.recipe.margin) for pair, by_bits in judged.items() if by_bits}

    @property
    def data(self) -> str:
        """ "cifar10, JPEG copy"."""
        return ", ".join(filter(None, [self.recipe.dataset, self.gathered.grid.label]))

    def describe(self) -> str:
        return f"{self.data}, {plural(self.recipe.epochs)}; start: {start(self.recipe)}"


def read_suites(results: Path) -> list[PublishedSuite]:
    """The suites under ``results`` that have a finished run, by name; raises like ``gather``."""
    folders = sorted(file.parent for file in results.glob("[!.]*/suite.json"))
    suites = [PublishedSuite(folder.name, folder, gather([folder])) for folder in folders]
    return [suite for suite in suites if suite.gathered.runs]


def results_page(results: Path) -> str:
    """The text of results/README.md, a pure function of what lies beside it."""
    suites = read_suites(results)
    sentences = "\n".join(f"- {sentence}" for sentence in summary_sentences(suites))
    return "\n\n".join([_HEAD.strip(), sentences, *map(_section, suites)]) + "\n"


def summary_sentences(suites: list[PublishedSuite]) -> list[str]:
    """Three sentences, each with a list: what the evidence supports, how large the noise is, what is not supported.

    The frameworks are judged, and their noise is shown, by their own kernels.
    """
    native = [suite for suite in suites if suite.recipe.kernels == NATIVE]
    identical = [text for suite in suites for text in _same_bits(suite)]
    return [_supported(native, identical), _noise(native), _not_supported(native)]


def _supported(suites: list[PublishedSuite], identical: list[str]) -> str:
    decided = [text for suite in suites for text in _judged(suite, supported=True)] + identical
    if not decided:
        return (
            "**Supported**: no verdict on equivalence yet, since no suite here decides it over all its planned pairs."
        )
    whose = f"{pairs()[0].other.short}'s" if len(pairs()) == 1 else "each framework's"
    return _with_list(f"**Supported**, {whose} mAP minus {reference().short}'s over paired seeds", decided)


def _with_list(sentence: str, items: list[str]) -> str:
    return f"{sentence}:" + "".join(f"\n  - {item}" for item in items)


def _same_bits(suite: PublishedSuite) -> list[str]:
    notes = same_bits_notes(suite.gathered.runs)
    return [f"{suite.name} ({suite.data}, {suite.recipe.kernels} kernels): {note.removesuffix('.')}" for note in notes]


def _judged(suite: PublishedSuite, supported: bool) -> list[str]:
    """The verdicts that the evidence supports, or those that it does not: by length, and on several together."""
    return [
        f"{suite.name} ({named(pair, f'{suite.data}, {where}')}): {verdict.sentence()}{caution}"
        for pair, verdicts in suite.judged.items()
        for where, verdict, caution in _verdicts(verdicts)
        if verdict.verdict and _is_supported(verdict, caution) == supported
    ]


def _is_supported(verdict: Paired, caution: str) -> bool:
    """A difference that may be chance is not; that a mean is inside the margin needs no correction."""
    return verdict.within or (verdict.verdict != UNDECIDED and not caution)


def _verdicts(verdicts: Overall) -> list[tuple[str, Paired, str]]:
    """Each verdict, where it holds, and a caution for a difference that may be chance among so many lengths."""
    by_bits = [(f"{bits} bits", length, verdicts.caution([bits])) for bits, length in verdicts.by_bits.items()]
    together = f"average over {listed(verdicts.by_bits)} bits"
    return [*by_bits, (together, verdicts.averaged, "")] if len(by_bits) > 1 else by_bits


def _noise(suites: list[PublishedSuite]) -> str:
    """How far runs of one framework are apart, beside the difference that the published tables leave open."""
    texts = [text for suite in suites for text in (_seed_noise(suite), _control_noise(suite), _apart(suite)) if text]
    texts += [f"{suite.name}, {note.rstrip('.')}" for suite in suites for note in _rounding(suite)]
    if not texts:
        return "**Noise**: not measured, since no suite here has several seeds or an A/A control."
    return _with_list(f"**Noise** of one framework, to be compared with {OPEN_DIFFERENCE}", texts)


def _rounding(suite: PublishedSuite) -> list[str]:
    return rounding_notes(rounding_studies(suite.gathered))


def _seed_noise(suite: PublishedSuite) -> str:
    maps: dict[str, dict[int, list[float]]] = {}
    for run in suite.gathered.runs:
        result = run.result()
        by_bits = maps.setdefault(result["framework"], {})
        by_bits.setdefault(result["bits"], []).append(result["map_last"]["expected"])
    texts = [f"{FRAMEWORKS[name].title} {spread}" for name in sorted(maps) if (spread := _seed_spread(maps[name]))]
    return f"{suite.name}, sd over seeds: {'; '.join(texts)}" if texts else ""


def _seed_spread(maps: dict[int, list[float]]) -> str:
    return ", ".join(
        f"{np.std(values, ddof=1):.4f} at {bits} bits (n = {len(values)})"
        for bits, values in sorted(maps.items())
        if len(values) > 1
    )


def _control_noise(suite: PublishedSuite) -> str:
    texts = [
        f"{FRAMEWORKS[name].title} {kind} mean abs. difference {np.mean(np.abs(values)):.4f} (n = {len(values)})"
        for kind in CONTROLS
        for name, values in control_differences(suite.gathered, kind).items()
    ]
    return f"{suite.name}, seed by seed, a framework with itself: {', '.join(texts)}" if texts else ""


def _apart(suite: PublishedSuite) -> str:
    """The sentence that ends the suite's table: the frameworks' distance beside a framework's from itself."""
    twins = twins_of(suite.gathered)
    apart = agreement_table(suite.gathered, twins, measure_bits(twins, [suite.folder]).shares)
    if not apart:
        return ""
    sentence = apart["sentence"].removesuffix(".")
    return f"{suite.name}, run by run: {sentence[0].lower()}{sentence[1:]}"


def _not_supported(suites: list[PublishedSuite]) -> str:
    gaps = []
    for suite in suites:
        grid = suite.gathered.grid
        for pair, by_bits in suite.differences.items():
            gaps += [f"{suite.name}, {named(pair, note)}" for note in waiting(by_bits, grid)]
        gaps += _judged(suite, supported=False)
        if lengths := sorted({bits for by_bits in suite.differences.values() for bits in single(by_bits, grid)}):
            gaps.append(f"{suite.name} has one seed at {', '.join(map(str, lengths))} bits and so no verdict there")
    judged = [suite.recipe for suite in suites if suite.judged]
    longest = max((recipe.epochs for recipe in judged if recipe.dataset == "cifar10"), default=0)
    if not longest:
        gaps.append("no verdict on CIFAR-10 is here yet")
    elif longest < PRESETS["paper"].epochs:
        gaps.append(f"no verdict on CIFAR-10 is of more than {longest} of the paper's {PRESETS['paper'].epochs} epochs")
    devices = sorted({run.result()["device"] for suite in suites for run in suite.gathered.runs})
    gaps.append(f"everything ran on {', '.join(devices) or 'nothing'}, so other devices are not covered")
    gaps.append("equivalence of mAP in a short training says nothing of a longer one")
    return _with_list("**Not supported**", gaps)


def _section(suite: PublishedSuite) -> str:
    table = (suite.folder / "table.md").read_text(encoding="utf-8").strip()
    commands = ", then ".join(f"`{command}`" for command in suite_commands(suite.gathered))
    where = " (PATH: the images of the SHA-256 above)" if "--data PATH" in commands else ""
    again = f"Again: {commands}{where}; single runs of it by the commands in the report."
    links = f"[report]({suite.name}/report.html), [rows]({suite.name}/table.csv)"
    section = f"## {suite.name}: {suite.describe()}\n\n{table}\n\n{again} See {links}."
    figures = sorted(suite.folder.glob("figures/*.png"))
    shown = " ".join(f"![{file.stem.replace('_', ' ')}]({suite.name}/figures/{file.name})" for file in figures)
    return f"{section}\n\n{shown}" if shown else section
