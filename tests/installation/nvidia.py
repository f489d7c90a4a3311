"""Stand-ins for what the installation asks of a machine: nvidia-smi by its one query, and package indexes."""

import os

QUERY = "--query-gpu=compute_cap,driver_version --format=csv,noheader"


def answers(*cards, driver="580.65.06"):
    """What nvidia-smi prints for cards of these compute capabilities."""
    return "\n".join(f"{card}, {driver}" for card in cards)


def pretend(monkeypatch, folder, said, status=0, hangs=False):
    """Put a nvidia-smi that prints ``said``, or nothing for a long while, before all else on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / "said").write_text(f"{said}\n")
    answer = "exec sleep 20" if hangs else f'cat "{folder}/said"'
    script = f'[ "$*" = "{QUERY}" ] || exit 99\n{answer}\nexit {status}\n'
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
