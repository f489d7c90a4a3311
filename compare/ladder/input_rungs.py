"""Rungs of what goes into a network: environment, split and order, pixels, weights."""

from compare.ladder.records import Record, check, compare_sets
from compare.ladder.session import LadderSession
from shared.worker.probe import WEIGHT, prefixed, take


def environment(rung: str, session: LadderSession) -> list[Record]:
    """Both frameworks answer, in float32, with TF32 off."""
    environments = {side: session.environment(side) for side in session.setup.sides}
    records = []
    for side, environment in environments.items():
        framework = session.workers[side].framework
        tf32 = environment["variables"]["NVIDIA_TF32_OVERRIDE"]
        precision = environment["precision"]
        switches = [value for name, value in precision.items() if name.endswith(("tf32", "switch"))]
        records.append(check(rung, f"{side}: is {framework}", environment["framework"] == framework))
        records.append(check(rung, f"{side}: TF32 off", tf32 == "0" and not any(switches), f"override {tf32}"))
        records.append(check(rung, f"{side}: float32", precision["dtype"] == "float32"))
        records.append(check(rung, f"{side}: fp32", precision["precision"] == "fp32"))
    return records


def split_and_order(rung: str, session: LadderSession) -> list[Record]:
    """Split, batch order, masks and initial weights, each made in its own process, are the same."""
    names = ("query", "train", "database", "batch order", "order", "dropout masks", "initial weights")
    ours, reference = ({name: answer[name] for name in names} for answer in session.pair("float32"))
    return compare_sets(rung, ours, reference, "exact")


def pixels(rung: str, session: LadderSession) -> list[Record]:
    """Upsampled and normalised pixels are the same to the bit."""
    ours, reference = session.pair("float32")
    names = ("upsampled", "normalised")
    return compare_sets(rung, {n: ours[n] for n in names}, {n: reference[n] for n in names}, "exact")


def weights(rung: str, session: LadderSession) -> list[Record]:
    """Weights come back from each framework as they went in."""
    sent = prefixed(WEIGHT, take(session.setup.arrays, WEIGHT))
    records = []
    for side in session.setup.sides:
        returned = prefixed(WEIGHT, take(session.of(side, "float32"), WEIGHT))
        records += [r._replace(name=f"{side}: {r.name}") for r in compare_sets(rung, returned, sent, "exact")]
    return records
