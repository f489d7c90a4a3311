"""Whether a logger of another program can be written: ``python -m shared.worker.loggers NAME`` asks an interpreter."""

import sys
from importlib.util import find_spec

from shared.system.errors import exit_status
from shared.worker.exported import MissingPackage


def check_logger(name: str) -> None:
    """MissingPackage where the package of the logger is not installed beside this interpreter."""
    if find_spec(name) is None:
        raise MissingPackage(
            f"--logger {name}: expected the package {name} in {sys.executable}, found none; install it in this "
            "project's folder: pip install -e '.[logs]'"
        )


if __name__ == "__main__":
    sys.exit(exit_status(lambda: check_logger(sys.argv[1])))
