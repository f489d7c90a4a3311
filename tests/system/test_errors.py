"""The one place where every command ends: one printable line, and the exit status of each kind of failure."""

import errno
import subprocess
import sys

import pytest

from shared.system.errors import UserError, WorkerDied, exit_status, printable


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("x: expected a, received b"), 2, "error: x: expected a, received b\n"),
        (UserError("one", "two"), 2, "error: one\nerror: two\n"),
        (UserError("a\x1b[31m\nb"), 2, "error: a\\x1b[31m\\nb\n"),
        (WorkerDied("it died\n  | last\x07 words"), 3, "error: it died\n  | last\\x07 words\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/full/f"), 2, "error: /full/f: No space left on device; "),
        (OSError(errno.EACCES, "Permission denied", b"\xc6"), 2, "error: "),
        (MemoryError(), 2, "error: memory ran out"),
        (KeyboardInterrupt(), 130, "interrupted: everything finished so far is kept"),
    ],
)
def test_every_expected_failure_is_a_line_and_a_status(error, status, line, capsys):
    assert exit_status(lambda: _raise(error)) == status
    shown = capsys.readouterr().err
    assert shown.startswith(line)
    assert shown.count("\n") == max(1, line.count("\n"))


def test_a_fault_of_ours_is_no_fault_of_the_user():
    with pytest.raises(OSError, match="odd"):
        exit_status(lambda: _raise(OSError(errno.EBADF, "odd")))


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(lines):
    code = "import sys; from shared.system.errors import exit_status; "
    code += f"sys.exit(exit_status(lambda: [print(i) for i in range({lines})]))"
    command = f"{sys.executable} -c '{code}' | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_shown_is_one_line_of_bounded_length():
    assert printable("\udcc6\udcdf.png") == "\\xc6\\xdf.png"
    assert printable(10**5000) == "a number of 16610 bits"
    assert printable("é漢") == "é漢"
    assert printable("a\u202eb\u2028c") == "a\\u202eb\\u2028c"
    assert len(printable("a" * 10**7)) < 3000
