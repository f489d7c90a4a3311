"""The failures a command reports in one line, and the exit status of each."""

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from shared.system.start import INTERRUPTED, imports_are_done

EXIT_CHECK_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_WORKER_DIED = 3
EXIT_INTERRUPTED = 130
_MOST_LETTERS = 2000
# failures that a user can mend, and how; any other failure of the system is a fault of this project
_MENDABLE = {
    errno.ENOSPC: "make room, or choose another place",
    errno.EDQUOT: "make room, or choose another place",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "change its permissions, or choose another place",
    errno.EPERM: "change its permissions, or choose another place",
    errno.EIO: "the disk fails: choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "nothing is written through a link: remove it",
    errno.ENXIO: "a pipe or a device stands where a file is expected",
    errno.ENOTDIR: "a file stands where a folder is expected",
    errno.EISDIR: "a folder stands where a file is expected",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or choose another place",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


class UserError(Exception):
    """Bad input: each argument is a line that says what was expected, what was received and how to mend it."""


class WorkerDied(Exception):
    """A worker process ended without finishing; the message quotes the end of its log."""


class Diverged(WorkerDied):
    """Training came to numbers that are not finite; the worker reports it before it ends."""


def exit_status(main: Callable[[], None]) -> int:
    """Run ``main`` and return the process's exit status; expected failures become one line on stderr."""
    imports_are_done()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name that is no text ends no command
    try:
        main()
        _flush(sys.stdout)
    except BrokenPipeError:  # the reader has closed the pipe
        return 0
    except (UserError, WorkerDied, KeyboardInterrupt, MemoryError, OSError) as error:
        return _report(error)
    finally:
        with suppress(OSError):
            _flush(sys.stdout)
    return 0


def remedy(error: OSError) -> str:
    """How a person mends a failure to write."""
    return _MENDABLE.get(error.errno, "choose a writable place")


def _report(error: BaseException) -> int:
    """Print what happened, and return the exit status; raises the error again if no user can mend it."""
    match error:
        case UserError():
            status, lines = EXIT_USER_ERROR, [f"error: {printable(line)}" for line in error.args]
        case WorkerDied():  # with the end of a log, line by line
            status, lines = EXIT_WORKER_DIED, [printable(line) for line in f"error: {error}".split("\n")]
        case KeyboardInterrupt():
            status, lines = EXIT_INTERRUPTED, [INTERRUPTED]
        case MemoryError():
            status, lines = EXIT_USER_ERROR, [f"error: memory ran out ({printable(error)}); ask for less at once"]
        case OSError() if error.errno in _MENDABLE:
            where = f"{printable(error.filename)}: " if error.filename else ""
            status, lines = EXIT_USER_ERROR, [f"error: {where}{error.strerror}; {_MENDABLE[error.errno]}"]
        case _:
            raise error
    with suppress(OSError):
        print("\n".join(lines), file=sys.stderr)
    with suppress(OSError):
        _flush(sys.stderr)
    return status


def _flush(stream: TextIO | None) -> None:
    """Write out what ``stream`` holds; if that fails, let Python's own attempt at its end go nowhere."""
    if stream is None:  # closed before Python began
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise


def printable(value: object, most: int = _MOST_LETTERS) -> str:
    r"""``value`` as one line of at most ``most`` letters that a terminal only shows.

    Control characters, and bytes of a file's name that are no UTF-8, become escapes; a huge number becomes its size.

    >>> printable("a\x1b[31m\n"), printable("caf\u00e9 \udcc6"), printable("a" * 9, most=5)
    ('a\\x1b[31m\\n', 'café \\xc6', 'aaaaa...')
    """
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    text = str(value)
    cut = "..." if len(text) > most else ""
    return "".join(map(_shown, text[:most])) + cut


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    if "\udc80" <= letter <= "\udcff":  # how Python keeps a byte that it cannot decode
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")
