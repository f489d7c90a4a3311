"""A plugin that ends the tests' output with the CPU seconds of each file: ``python -m pytest -p tests.cpu_profile``.

They are those of the process that runs the tests, of its children, and of the prepared interpreters and their forks.
"""

import os
import resource
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    """CPU seconds of this process so far, of its ended children, and of its live children with theirs."""
    ended = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ended + sum(map(_of_child, Path("/proc").glob("[0-9]*/stat")))


def _of_child(stat: Path) -> float:
    with suppress(OSError):  # it ended meanwhile
        _, parent, *fields = stat.read_text().rpartition(")")[2].split()
        if int(parent) == os.getpid():
            return sum(map(int, fields[9:13])) / _TICKS  # user and system time, its own and its ended children's
    return 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    before = cpu_seconds()
    item.user_properties.append(("cpu", before))
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "teardown":
        report.user_properties = [("cpu_seconds", cpu_seconds() - dict(item.user_properties)["cpu"])]
    return report


def pytest_terminal_summary(terminalreporter):
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "cpu_seconds":
                    seconds[report.nodeid.partition("::")[0]] += value
    terminalreporter.section("CPU seconds by file")
    for path, of_file in seconds.most_common():
        terminalreporter.line(f"{of_file:8.1f} {path}")
    terminalreporter.line(f"{seconds.total():8.1f} in all, without the start of the processes that run tests")
