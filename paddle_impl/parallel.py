"""Several processes that train together: how they are started, and how one joins the others."""

import contextlib
import io
import sys
from pathlib import Path

from paddle_impl.runtime import has_gpu, paddle
from shared.training.launch import Command, Layout, module_arguments
from shared.training.ranks import Ranks

distributed = paddle.distributed


def count_gpus() -> int:
    """CUDA devices that can be used."""
    return paddle.device.cuda.device_count() if has_gpu() else 0


def commands(arguments: list[str], layout: Layout, device: str, scratch: Path) -> list[Command]:
    """What starts this node's ranks of ``python ARGUMENTS``: Paddle's launcher, with its logs in ``scratch``."""
    options = ["--log_dir", str(scratch), "--log_level", "CRITICAL", "--nproc_per_node", str(layout.devices)]
    launcher = [sys.executable, *module_arguments("paddle.distributed.launch", options)]
    if layout.nodes == 1:
        launcher += ["--host", layout.address]
    else:
        master = f"{layout.address}:{layout.port}"
        launcher += ["--nnodes", str(layout.nodes), "--rank", str(layout.node), "--master", master]
    # with these set the ranks would use the launchers' address and port as their own
    variables = dict.fromkeys(("MASTER_ADDR", "MASTER_PORT", "PADDLE_TRAINER_ID"))
    variables |= {"PYTHONWARNINGS": "ignore:No ccache found"}
    if device == "cpu":
        # the launcher gives each rank one of the devices in this list; -1 is no GPU
        variables |= {"PADDLE_DISTRI_BACKEND": "gloo", "CUDA_VISIBLE_DEVICES": ",".join(["-1"] * layout.devices)}
    return [Command("a rank", [*launcher, sys.executable, *arguments], variables)]


def join(device: str) -> Ranks:
    """Meet the other ranks (NCCL on GPUs, gloo on CPUs), each on the device that the launcher gave it."""
    with contextlib.redirect_stderr(io.StringIO()):  # it prints Paddle's own flags
        distributed.init_parallel_env()
    return Ranks(distributed.get_rank(), distributed.get_world_size(), _gather)


def _gather(value: object) -> list:
    gathered = []
    distributed.all_gather_object(gathered, value)
    return gathered
