"""Read hostile files: ``python -m tests.fuzz KIND NUMBER`` repeats one case, ``--count N`` goes on from it."""

import argparse
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from tests.checkpoints import TorchWriter
from tests.fuzz.driver import make_case, make_seeds, run_within_limits
from tests.fuzz.kinds import KINDS, NEEDS_TORCH


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("number", type=int)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seeds", type=Path, help="folder of valid files; default: they are made")
    parser.add_argument("--keep", type=Path, help="only write the hostile files of this case, into this new folder")
    given = parser.parse_args()
    with ExitStack() as stack:
        seeds = given.seeds
        if not seeds:
            writer = stack.enter_context(closing(TorchWriter())) if given.kind in NEEDS_TORCH else None
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            seeds = make_seeds(scratch / given.kind, given.kind, writer)
        if given.keep:
            print(make_case(seeds, given.kind, given.number, given.keep))
            return
        counts, faults = run_within_limits(seeds, given.kind, range(given.number, given.number + given.count))
    print("\n\n".join(faults), file=sys.stderr)
    print(dict(counts))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
