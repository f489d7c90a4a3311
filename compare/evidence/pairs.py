"""From the results of runs to the differences that the statistics are about."""

from collections.abc import Iterable, Mapping


def paired_differences(results: Iterable[Mapping]) -> dict[int, dict[int, float]]:
    """Bits -> seed -> Paddle's mAP after the last epoch minus PyTorch's; lengths without a pair are left out.

    ``results`` are the contents of ``result.json`` files.
    """
    scores: dict[tuple[int, int], dict[str, float]] = {}
    for result in results:
        cell = scores.setdefault((result["bits"], result["seed"]), {})
        cell[result["framework"]] = result["map_last"]["expected"]
    differences: dict[int, dict[int, float]] = {}
    for (bits, seed), cell in sorted(scores.items()):
        if len(cell) == 2:
            differences.setdefault(bits, {})[seed] = cell["paddle"] - cell["torch"]
    return differences
