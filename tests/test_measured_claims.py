"""What the pages quote and say of measurements stands in the committed files, not in what somebody typed."""

import json
from pathlib import Path

import pandas as pd

from compare.stats.agreement import queries_apart
from compare.stats.equivalence import paired
from tests.helpers import PROJECT_ROOT
from tests.pages import ENGLISH, blocks, text_of

FRAMEWORKS = ("torch", "paddle")


def test_what_pages_quote_stands_in_the_committed_files():
    """The front door shows what was measured and committed, not what somebody typed."""
    quoted = [
        block.splitlines()[1:-1] for name in ENGLISH for block in blocks(text_of(name)) if ", in part:\n" in block
    ]
    files = [(lines[0].removesuffix(", in part:"), lines[1:]) for lines in quoted]
    suites = {"small", "small-studies", "paper-12"}
    assert {file for file, _ in files} == {
        *(f"results/{suite}/table.md" for suite in suites),
        "results/reference/published_map.csv",
    }
    for file, lines in files:
        committed = text_of(file).splitlines()
        assert not [line for line in lines if line not in committed], file


def test_what_a_page_says_of_two_machines_stands_in_the_rows():
    """The runs that two suites share, one suite of an Intel and one of an AMD processor."""
    studies = PROJECT_ROOT / "results" / "small-studies"
    moved = {"paddle": [], "torch": []}
    for framework, differences in moved.items():
        for file in studies.glob(f"{framework}/*/result.json"):
            cell = file.relative_to(studies).as_posix()
            first, second = (json.loads(text_of(f"results/{suite}/{cell}")) for suite in ("small", "small-studies"))
            assert (first["device"], second["device"]) == ("Intel(R) Xeon(R) Processor", "AMD EPYC")
            assert (first["checkpoint_sha256"] == second["checkpoint_sha256"]) == (framework == "paddle")
            differences.append(abs(second["map_last"]["expected"] - first["map_last"]["expected"]))
    runs = len(moved["torch"])
    assert moved["paddle"] == [0] * runs
    said = f"Paddle's {runs} runs stayed the same to the last bit; PyTorch's {runs} moved by "
    said += f"{min(moved['torch']):.4f} to {max(moved['torch']):.4f} mAP"
    assert said in " ".join(text_of("docs/measured.md").split())


def test_what_a_page_says_of_single_runs_stands_in_the_rows():
    """The four pairs of 12 bits, and the run that makes the weights' share of the variance."""

    def score(file: Path) -> float:
        return json.loads(file.read_text())["map_last"]["expected"]

    studies = PROJECT_ROOT / "results" / "small-studies"
    runs = {
        file: score(file)
        for suite in ("small", "small-studies")
        for file in (PROJECT_ROOT / "results" / suite).rglob("bits12-*/result.json")
    }
    *first, fourth = (
        score(studies / f"paddle/bits12-seed{seed}/result.json")
        - score(studies / f"torch/bits12-seed{seed}/result.json")
        for seed in range(2000, 2004)
    )
    three = paired(first)
    low, high = three.interval95
    lowest = min(runs, key=runs.get)
    assert lowest == studies / "variance/weights/torch/bits12-seed2002/result.json"
    same_weights = score(studies / "torch/bits12-seed2002/result.json")
    said = " ".join(text_of("docs/measured.md").split())
    for text in (
        f"first three pairs alone were *{three.verdict}* ({three.mean:+.4f}, 95 % interval {low:.4f} to {high:.4f})",
        f"the fourth fell on the other side ({fourth:+.4f})",
        f"end on one code (mAP {runs[lowest]:.3f}); from the same weights with all else of seed 2002 they do not "
        f"({same_weights:.3f})",
        f"one of the {len(runs)} runs of 12 bits",
    ):
        assert text in said


def test_what_pages_say_of_the_published_network_stands_in_the_rows():
    """Its curves, the published ones beside them, and at how many queries this pair differs, and the others."""

    def curve(framework: str) -> list[float]:
        log = text_of(f"results/paper-12/{framework}/bits12-seed2000/log.jsonl").splitlines()
        return [line["map"]["expected"] for line in map(json.loads, log) if "map" in line]

    def changed_queries(suite: str) -> list[float]:
        runs = sorted(run.name for run in (PROJECT_ROOT / f"results/{suite}/torch").glob("bits12-*"))
        return [queries_apart(*(precisions(suite, framework, run) for framework in FRAMEWORKS)).changed for run in runs]

    def precisions(suite: str, framework: str, run: str) -> pd.Series:
        queries = pd.read_csv(PROJECT_ROOT / f"results/{suite}/{framework}/{run}/queries.csv")
        return queries.sort_values("image")["average_precision"]

    published = pd.read_csv(PROJECT_ROOT / "results/reference/published_curves.csv")
    published = published.query("bits == 12 and epoch == 10").set_index("framework")["map"]
    torch, paddle = (curve(framework) for framework in FRAMEWORKS)
    (here,) = changed_queries("paper-12")
    others = [*changed_queries("small"), *changed_queries("small-studies")]
    said = " ".join(text_of("docs/measured.md").split())
    for text in (
        f"PyTorch's mAP was {_listed(torch)}, and Paddle's {_listed(paddle)}:",
        f"stood at {published['pytorch']} and {published['paddle']} after 10 epochs",
        f"more than 0.05 at {here:.0f} of 1000 queries, fewer than in each of the ten pairs of 12 bits above "
        f"({min(others):.0f} to {max(others):.0f})",
        f"the last 10 epochs give PyTorch {torch[-1] - torch[-2]:.4f} more and Paddle {paddle[-1] - paddle[-2]:.4f}",
    ):
        assert text in said
    assert here < min(others)
    assert len(others) == 10  # "the ten pairs of 12 bits"
    assert f"{torch[-1]:.3f} mAP in PyTorch, {paddle[-1]:.3f} in Paddle" in " ".join(text_of("README.md").split())


def _listed(values: list[float]) -> str:
    """ "0.5439, 0.6100 and 0.6320"."""
    *first, last = (f"{value:.4f}" for value in values)
    return f"{', '.join(first)} and {last}"
