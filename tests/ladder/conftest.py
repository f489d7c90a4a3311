"""Fixtures of the ladder's tests."""

from tests.ladder.tiny import workers  # noqa: F401 - fixture
