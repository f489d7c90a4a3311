"""Several processes that train together: how they are started, and how one joins the others."""

import os
import sys
from pathlib import Path

import torch
from torch import distributed

from shared.training.launch import Command, Layout
from shared.training.ranks import Ranks


def count_gpus() -> int:
    """CUDA devices that can be used."""
    return torch.cuda.device_count()


def commands(arguments: list[str], layout: Layout, device: str, scratch: Path) -> list[Command]:
    """What starts this node's ranks of ``python ARGUMENTS``: one process each, as Lightning's environment expects."""
    common = {
        "MASTER_ADDR": layout.address,
        "MASTER_PORT": str(layout.port),
        "WORLD_SIZE": str(layout.size),
        "NODE_RANK": str(layout.node),
    }
    ranks = [(layout.node * layout.devices + local, local) for local in range(layout.devices)]
    return [
        Command(f"rank {rank}", [sys.executable, *arguments], common | {"RANK": str(rank), "LOCAL_RANK": str(local)})
        for rank, local in ranks
    ]


def join(device: str) -> Ranks:
    """Meet the other ranks (NCCL on GPUs, gloo on CPUs); this process's device becomes the current one."""
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    return Ranks(distributed.get_rank(), distributed.get_world_size(), _gather)


def _gather(value: object) -> list:
    gathered = [None] * distributed.get_world_size()
    distributed.all_gather_object(gathered, value)
    return gathered
