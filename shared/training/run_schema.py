"""What the JSON files of a run folder hold."""

import re
from collections.abc import Mapping

from shared.config.limits import MAX_BITS
from shared.system.errors import UserError
from shared.system.schema import DECIMAL, FLAG, LINE, SHARE, TEXT, Each, Kind, Record, number, whole

# compare holds the list of frameworks: a worker runs without the others
FRAMEWORK = Kind(
    "a framework's key, of lower-case letters and digits",
    lambda value: isinstance(value, str) and bool(re.fullmatch("[a-z][a-z0-9]*", value)),
)
CODE_LENGTH = Kind(f"1 to {MAX_BITS} bits", lambda text: DECIMAL.fits(text) and 1 <= int(text[:9]) <= MAX_BITS)
SEED = whole(0, 2**32 - 1)
_COUNT = whole()
_SECONDS = number(above=0)
_HEX = LINE
# by argsort, as the published implementations rank: null where no published numbers stand beside the run
_ARGSORT = SHARE.or_none()
# the mAP by the order within ties
SCORE = Record({"expected": SHARE, "best": SHARE, "worst": SHARE, "stable": SHARE, "argsort": _ARGSORT})
_CURVE = Record({"precision": [SHARE], "recall": [SHARE]})
_RETRIEVAL = Record(
    {
        "queries": _COUNT,
        "items": _COUNT,
        "bits": whole(1, MAX_BITS),
        "queries_without_relevant": _COUNT,
        "precision_at": Each(SHARE, key=DECIMAL),
        "within_radius_2": Record({"precision": SHARE, "recall": SHARE, "f1": SHARE}),
        "eleven_points": [SHARE],
        "radius_curve": _CURVE,
        "ties": Record({"tied": SHARE, "mixed": SHARE, "distances": number(0)}),
    }
)
# fields that came after the first stored results have a value that stands for an absent one
RESULT = Record(
    {
        "framework": FRAMEWORK,
        "preset": LINE,
        "dataset": LINE,
        "bits": whole(1, MAX_BITS),
        "seed": SEED,
        "epochs": whole(1),
        "map_last": SCORE,
        "map_best": SCORE,
        "map_argsort_best": _ARGSORT,
        "best_epoch": whole(1),
        "accuracy": SHARE,
        "retrieval": _RETRIEVAL,
        "zeros": _COUNT,
        "weights_moved": number(0),
        "train_seconds": _SECONDS,
        "encode_seconds": _SECONDS,
        "images_per_second": number(above=0),
        "device": LINE,
        "versions": Each(LINE.or_none(), key=LINE),
        "recipe_digest": _HEX,
        "data_sha256": _HEX,
        "split_sha256": _HEX,
        "initial_weights_sha256": _HEX,
        "checkpoint_sha256": _HEX,
        "distinct_codes": whole(1).or_none(),
        "leaked_queries": _COUNT.or_none(),
    },
    later={"distinct_codes": None, "leaked_queries": None},
)
# an epoch's record; one that was scored has the last three, too
_EPOCH = {
    "epoch": whole(1),
    "lr": number(0),
    "loss": number(),
    "cross_entropy": number(),
    "penalty": number(),
    "seconds": _SECONDS,
    "images_per_second": number(above=0),
}
EPOCH = Record(_EPOCH, open=True)
SCORED_EPOCH = Record({**_EPOCH, "map": SCORE, "accuracy": SHARE, "encode_seconds": _SECONDS}, open=True)
# in the epochs of runs by shared kernels: of weights and momentum, and of the codes where they were scored
DIGESTS = Record(
    {"parameters_sha256": _HEX.or_none(), "codes_sha256": _HEX.or_none()},
    later={"parameters_sha256": None, "codes_sha256": None},
    open=True,
)
# what is read of it again, each of which an older or a shorter one may lack; ``data`` is where the images were
ENVIRONMENT = Record(
    {
        "framework_threads": whole(1, 2**20).or_none(),
        "device": LINE.or_none(),
        "devices": whole(1, 2**20),
        "nodes": whole(1, 2**20),
        "command": [TEXT],
        "data": TEXT.or_none(),
        "precision": Record({"deterministic": FLAG}, later={"deterministic": False}, open=True),
    },
    later={
        "framework_threads": None,
        "device": None,
        "devices": 1,
        "nodes": 1,
        "command": [],
        "data": None,
        "precision": {},
    },
    open=True,
)


def check_result(result: Mapping, where: str) -> None:
    """UserError for curves that do not fit the code length; ``result`` has the fields of ``RESULT``."""
    curve, bits = result["retrieval"]["radius_curve"], result["bits"]
    if not len(curve["precision"]) == len(curve["recall"]) == bits + 1:
        raise UserError(f"{where}: radius_curve: expected {bits + 1} values of both, as there are {bits} bits")
