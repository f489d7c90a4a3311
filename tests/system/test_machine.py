"""What a run records of its machine, and the settings that depend on the processor and the C library."""

import json
import subprocess

import pytest

from shared.system import machine
from shared.system.machine import describe_machine, mkl_code_path
from tests import helpers

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-C")
AVX2 = "fpu sse4_2 avx avx2 fma"
AVX512 = f"{AVX2} avx512f avx512dq avx512bw avx512vl"


def revision():
    return describe_machine(())["git_revision"]


def test_the_revision_is_the_commit_and_whether_the_tree_differs(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert revision() is None
    subprocess.run([*GIT, tmp_path, "init", "--quiet"], check=True)
    heads = []
    for content in ("one", "two"):
        (tmp_path / "file").write_text(content)
        for words in (("add", "file"), ("commit", "--quiet", "--message", content)):
            subprocess.run([*GIT, tmp_path, *words], check=True)
        head = subprocess.run([*GIT, tmp_path, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        heads.append(head.stdout.strip())
        assert revision() == heads[-1]
    assert heads[0] != heads[1]
    (tmp_path / "file").write_text("three")
    assert revision() == f"{heads[1]}+changes"


@pytest.mark.parametrize(
    ("vendor", "flags", "path"),
    [
        ("GenuineIntel", AVX512, None),
        ("GenuineIntel", AVX2, None),
        ("AuthenticAMD", AVX512, "7"),
        ("AuthenticAMD", AVX2, "5"),
        ("AuthenticAMD", AVX512.replace("avx512vl", ""), "5"),
        ("AuthenticAMD", AVX2.replace("fma", ""), None),
        ("AuthenticAMD", "fpu sse4_2 avx", None),
        (None, "", None),
    ],
)
def test_code_path_of_mkl(vendor, flags, path):
    cpu = {"flags": flags} | ({"vendor_id": vendor} if vendor else {})
    assert mkl_code_path(cpu) == path


def test_freed_memory_is_kept(framework):
    """A block larger than any that the C library keeps of itself, which would give its pages back to the system."""
    found = json.loads(helpers.child(framework, "freed_memory", framework).stdout)
    assert found["freed"] > found["before"] + found["block"] / 2
