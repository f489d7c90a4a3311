"""Stand-ins for what the installation asks of a machine: nvidia-smi by its one query, and package indexes."""

import os

QUERY = "--query-gpu=compute_cap,driver_version --format=csv,noheader"


def answers(*cards, driver="580.65.06"):
    """What nvidia-smi prints for cards of these compute capabilities."""
    return "\n".join(f"{card}, {driver}" for card in cards)


def pretend(monkeypatch, folder, said, status=0, seconds=0):
    """Put a nvidia-smi that prints ``said`` after some seconds before all else on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / "said").write_text(f"{said}\n")
    script = f'[ "$*" = "{QUERY}" ] || exit 99\nsleep {seconds}\ncat "{folder}/said"\nexit {status}\n'
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def always(host):
    """That every package index is reached."""
    return True


def never(host):
    """That none is."""
    return False
