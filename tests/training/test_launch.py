"""The ranks of one machine: what each is given of it."""

import os

import pytest

from shared.training.launch import Command, run_ranks
from tests.fakes import KeptProgress

ECHO = ["sh", "-c", "echo threads ${OMP_NUM_THREADS}"]


@pytest.mark.parametrize(
    ("cores", "devices", "asked", "threads"),
    [(8, 2, None, 4), (8, 3, None, 2), (2, 4, None, 1), (8, 1, None, 8), (8, 2, "5", 5)],
)
def test_ranks_share_the_cores_unless_their_threads_are_named(cores, devices, asked, threads, monkeypatch, capfd):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False) if asked is None else monkeypatch.setenv(
        "OMP_NUM_THREADS", asked
    )
    commands = [Command(f"rank {rank}", ECHO, {}) for rank in range(devices)]
    run_ranks(commands, devices, KeptProgress())
    assert capfd.readouterr().err == f"threads {threads}\n" * devices
