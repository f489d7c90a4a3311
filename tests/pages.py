"""The pages of the project, for the tests that read them."""

import re
from pathlib import Path

from tests.helpers import PROJECT_ROOT

ENGLISH = ["README.md", *sorted(f"docs/{file.name}" for file in (PROJECT_ROOT / "docs").glob("*.md"))]
CHINESE = ["README.zh-CN.md", *(f"docs/zh/{Path(name).name}" for name in ENGLISH[1:])]
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (PROJECT_ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    """Fenced blocks: commands with their output."""
    return FENCED.findall(text)
