"""The size of the ladder in tests, and workers that tell what they were asked."""

from functools import cached_property

import pytest

from compare.frameworks.worker import Worker
from compare.ladder.setup import Scale
from tests import helpers

TINY = Scale("tiny", 1 / 16, 64, 8, strict_steps=16, steps=6)
BITS = 12


class RecordedWorker(Worker):
    """A worker that knows which verbs it was started with, in order, and asks once what its framework is."""

    @cached_property
    def verbs(self):
        return []

    @cached_property
    def infos(self):
        return {}

    def output_of_verb(self, *arguments):
        self.verbs.append(arguments[0])
        if arguments[0] != "info":
            return super().output_of_verb(*arguments)
        if arguments not in self.infos:
            self.infos[arguments] = super().output_of_verb(*arguments)
        return self.infos[arguments]


@pytest.fixture(scope="module")
def workers():
    for name in ("torch", "paddle"):
        if not helpers.is_installed(name):
            pytest.skip(f"{name} is not installed, and the ladder compares two frameworks")
    return {name: RecordedWorker(name, threads=1) for name in ("paddle", "torch")}
