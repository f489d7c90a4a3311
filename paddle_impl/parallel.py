"""Several processes that train together: how they are started, and how one joins the others."""

import contextlib
import io
import sys
from pathlib import Path

from paddle_impl.runtime import has_gpu, paddle
from shared.training.launch import Command, Layout, words_of
from shared.training.ranks import Ranks

distributed = paddle.distributed


def count_gpus() -> int:
    """CUDA devices that can be used."""
    return paddle.device.cuda.device_count() if has_gpu() else 0


def commands(words: list[str], layout: Layout, device: str, scratch: Path) -> list[Command]:
    """What starts this node's ranks of ``python WORDS``: Paddle's launcher, which keeps its notes in ``scratch``."""
    options = ["--log_dir", str(scratch), "--log_level", "CRITICAL", "--nproc_per_node", str(layout.devices)]
    launcher = [sys.executable, *words_of("paddle.distributed.launch", options)]
    if layout.nodes == 1:
        launcher += ["--host", layout.address]
    else:
        master = f"{layout.address}:{layout.port}"
        launcher += ["--nnodes", str(layout.nodes), "--rank", str(layout.node), "--master", master]
    # the ranks would take the launchers' own meeting place for theirs
    variables = dict.fromkeys(("MASTER_ADDR", "MASTER_PORT", "PADDLE_TRAINER_ID"))
    variables |= {"PYTHONWARNINGS": "ignore:No ccache found"}
    if device == "cpu":
        # the launcher deals out what this names, one a rank; -1 is no GPU
        variables |= {"PADDLE_DISTRI_BACKEND": "gloo", "CUDA_VISIBLE_DEVICES": ",".join(["-1"] * layout.devices)}
    return [Command("a rank", [*launcher, sys.executable, *words], variables)]


def join(device: str) -> Ranks:
    """Meet the other ranks (NCCL on GPUs, gloo on CPUs), each on the device that the launcher gave it."""
    with contextlib.redirect_stderr(io.StringIO()):  # it prints Paddle's own flags
        distributed.init_parallel_env()
    return Ranks(distributed.get_rank(), distributed.get_world_size(), _gather)


def _gather(value: object) -> list:
    gathered = []
    distributed.all_gather_object(gathered, value)
    return gathered
