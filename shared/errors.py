"""The failures a command reports in one line, and the exit status of each."""

import sys
from collections.abc import Callable

EXIT_CHECK_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_WORKER_DIED = 3
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """Bad input: the message says what was expected, what was received and how to mend it."""


class WorkerDied(Exception):
    """A worker process ended without finishing; the message quotes the end of its log."""


def exit_status(main: Callable[[], None]) -> int:
    """Run ``main`` and return the process's exit status; expected failures become one line on stderr."""
    try:
        main()
        return 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except WorkerDied as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_WORKER_DIED
    except KeyboardInterrupt:
        print("interrupted: everything finished so far is kept; the same command goes on from there", file=sys.stderr)
        return EXIT_INTERRUPTED
