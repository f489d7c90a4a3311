"""What every command and worker does before its imports, with the standard library alone: it may have to end here.

Few modules are imported before Ctrl-C is handled: until then it shows a traceback.
"""

import os
import signal
import sys
from contextlib import contextmanager

OLDEST_PYTHON = (3, 10)
# set for a worker whose standard input ends with the process that started it
ENDS_WITH_STDIN = "GREEDYHASH_ENDS_WITH_STDIN"
_THREADS = "OMP_NUM_THREADS"
_MOST_THREADS = 4096
_PACKAGES = ("shared", "compare", "torch_impl", "paddle_impl")
_EXIT_USER_ERROR, _EXIT_INTERRUPTED = 2, 130
INTERRUPTED = "interrupted: everything finished so far is kept; the same command goes on from there"


def begin():
    """Check interpreter and threads; report a missing module, or Ctrl-C during imports, in one line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    if sys.version_info < OLDEST_PYTHON:
        oldest, received = (".".join(map(str, version[:2])) for version in (OLDEST_PYTHON, sys.version_info))
        _end(f"expected Python {oldest} or newer, received {received} ({sys.executable}); {_NEWER}")
    sys.excepthook = _say
    try:
        threads_named()
    except ValueError as error:
        _end(str(error))
    if os.environ.get(ENDS_WITH_STDIN):
        import threading

        threading.Thread(target=_end_with_stdin, daemon=True).start()


def threads_named():
    """The number in ``OMP_NUM_THREADS``, None where it is not set; of several, for nested levels, the first.

    ValueError says what is wrong with it: OpenMP itself prints a note and takes all cores.
    """
    text = os.environ.get(_THREADS, "")
    if not text:
        return None
    levels = [level.strip() for level in text.split(",")]
    if not all(level.isascii() and level.isdecimal() and 1 <= int(level[:9]) <= _MOST_THREADS for level in levels):
        raise ValueError(
            f"{_THREADS}: expected a number of threads from 1 to {_MOST_THREADS}, or one for each nested level (4,2), "
            f"received {text[:50]!r}"
        )
    return int(levels[0])


@contextmanager
def ends_at_once():
    """While the block runs, which has nothing to clean up, Ctrl-C ends the process at once.

    An import in which KeyboardInterrupt is raised can lose it, or turn it into another error.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def imports_are_done():
    """From here on Ctrl-C raises KeyboardInterrupt, so that ``finally`` blocks run."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end_in_order():
    """Let SIGTERM and SIGHUP end the process as an exception does, through its ``finally`` blocks."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _exit)


def _exit(number, _):
    sys.exit(128 + number)  # as a shell calls a process that the signal ended


_NEWER = "name a newer one (make PYTHON=python3.12), or activate this project's environment (source .venv/bin/activate)"
_ACTIVATE = "activate this project's environment (source .venv/bin/activate), which make installs"


def _say(kind, error, trace):
    """The hook for an exception that nothing has caught."""
    name = (getattr(error, "name", None) or "").split(".")[0]
    if issubclass(kind, ModuleNotFoundError) and name and name not in _PACKAGES:
        _end(f"expected the module {name} in {sys.executable}, found none; {_ACTIVATE}")
    if issubclass(kind, KeyboardInterrupt):
        _leave()
    sys.__excepthook__(kind, error, trace)


def _end(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(_EXIT_USER_ERROR)


def _leave(*_):
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(_EXIT_INTERRUPTED)


def _end_with_stdin():
    """End this process when the other end of its standard input is closed; reads nothing from it."""
    import select

    watched = select.poll()
    watched.register(0, select.POLLRDHUP)  # the end of a pipe is always reported, of a socket only if requested
    watched.poll()
    os._exit(1)
