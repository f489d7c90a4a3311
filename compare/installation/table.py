"""The one table of the frameworks' GPU wheels: what code they hold, and which driver and Python they need.

All are for Linux on x86_64. Of several that fit a machine, the first is taken. A driver is compared number by number.
"""

from dataclasses import dataclass

Version = tuple[int, ...]

TITLES = {"torch": "PyTorch", "paddle": "PaddlePaddle"}
PROCESSOR = "x86_64"
# the project's own bounds, from pyproject.toml
BOUNDS = {"torch": ("torch>=2.14", "torchvision>=0.29"), "paddle": ("paddlepaddle-gpu>=2.6",)}
_PYTORCH = "https://download.pytorch.org/whl"
_PADDLE = "https://www.paddlepaddle.org.cn/packages/stable"
# a driver runs what was built with any CUDA of its major version
_CUDA_DRIVERS = "https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html"
_PADDLE_THREAD = "https://github.com/PaddlePaddle/Paddle/issues"


@dataclass(frozen=True)
class Wheels:
    """GPU wheels of one framework.

    ``name`` is the row's in the table. ``requirements`` are pip's. ``index`` is the address of the framework's own
    package index, None for the registry that pip asks anyway. ``code`` are the compute capabilities that there is
    machine code for: it runs on cards of the same major and an equal or higher minor number. ``driver`` is the oldest
    that runs it, ``pythons`` the oldest and the newest Python. ``sources`` say where this is from.
    """

    name: str
    requirements: tuple[str, ...]
    index: str | None
    code: tuple[Version, ...]
    driver: Version
    pythons: tuple[Version, Version]
    sources: tuple[str, ...]

    def runs_on(self, capability: Version) -> bool:
        """Whether a card of this compute capability runs the code."""
        return any(major == capability[0] and minor <= capability[1] for major, minor in self.code)


TABLE: dict[str, tuple[Wheels, ...]] = {
    "torch": (
        Wheels(
            name="CUDA 13",
            requirements=BOUNDS["torch"],
            index=None,
            code=((7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0)),
            driver=(580,),
            pythons=((3, 10), (3, 15)),
            # of 2.15, and of 2.14, the newest for Python 3.10
            sources=(
                "https://github.com/pytorch/pytorch/issues/190385",
                "https://github.com/pytorch/pytorch/issues/172352",
                _CUDA_DRIVERS,
            ),
        ),
        Wheels(
            name="CUDA 12.6",
            # the last release for CUDA 12
            requirements=("torch==2.14.*", "torchvision==0.29.*"),
            index=f"{_PYTORCH}/cu126",
            code=((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0)),
            driver=(525,),
            pythons=((3, 10), (3, 14)),
            sources=("https://github.com/pytorch/pytorch/issues/190355", _CUDA_DRIVERS),
        ),
    ),
    "paddle": (
        Wheels(
            name="3.x, CUDA 12.9",
            requirements=("paddlepaddle-gpu>=3.2,<4",),
            index=f"{_PADDLE}/cu129/",
            code=((9, 0), (10, 0), (12, 0)),
            # that of CUDA 12.9: Paddle only warns of a driver it dislikes, and goes on on the CPU
            driver=(575, 51, 3),
            pythons=((3, 10), (3, 13)),
            sources=(
                f"{_PADDLE_THREAD}/78036",
                "https://docs.nvidia.com/cuda/archive/12.9.0/cuda-toolkit-release-notes",
            ),
        ),
        Wheels(
            name="3.x, CUDA 12.6",
            requirements=("paddlepaddle-gpu>=3.0,<4",),
            index=f"{_PADDLE}/cu126/",
            code=((7, 5), (8, 0), (8, 6), (9, 0)),
            # Paddle's own pages ask for 550.54.14; in the thread it is installed and used with CUDA 12.2's driver
            driver=(535,),
            pythons=((3, 10), (3, 13)),
            sources=(f"{_PADDLE_THREAD}/78036", f"{_PADDLE_THREAD}/73687"),
        ),
        Wheels(
            name="3.x, CUDA 11.8",
            requirements=("paddlepaddle-gpu>=3.0,<4",),
            index=f"{_PADDLE}/cu118/",
            code=((6, 1), (7, 0), (7, 5), (8, 0), (8, 6)),
            driver=(450, 80, 2),
            pythons=((3, 10), (3, 13)),
            sources=(
                "https://github.com/PaddlePaddle/PaddleX/issues/4682",
                "https://paddlepaddle.github.io/PaddleX/latest/en/installation/paddlepaddle_install.html",
            ),
        ),
        Wheels(
            name="2.6.2, CUDA 11.8",
            # it depends on none of CUDA's libraries
            requirements=(
                "paddlepaddle-gpu==2.6.2",
                "nvidia-cublas-cu11==11.11.3.6",
                "nvidia-cuda-nvrtc-cu11==11.8.89",
                "nvidia-cuda-runtime-cu11==11.8.89",
                "nvidia-cudnn-cu11==8.6.0.163",
                "nvidia-cufft-cu11==10.9.0.58",
                "nvidia-curand-cu11==10.3.0.86",
                "nvidia-cusolver-cu11==11.4.1.48",
                "nvidia-cusparse-cu11==11.7.5.86",
                "nvidia-nccl-cu11==2.21.5",
            ),
            index=None,
            code=((6, 1), (7, 0), (7, 5), (8, 0), (8, 6)),
            driver=(450, 80, 2),
            pythons=((3, 10), (3, 12)),
            sources=("read from the wheel: machine code alone, no PTX", f"{_PADDLE_THREAD}/54713", _CUDA_DRIVERS),
        ),
    ),
}


def dotted(version: Version) -> str:
    """A version as it is written: 535.54.03 (a driver's third number has two digits), 8.6, 3.11."""
    return ".".join(f"{number:02d}" if place == 2 else str(number) for place, number in enumerate(version))


def as_markdown() -> list[str]:
    """The table as lines of Markdown, without its heading."""
    return [
        f"| {TITLES[framework]} {row.name} | {', '.join(map(dotted, row.code))} | {dotted(row.driver)} "
        f"| {dotted(row.pythons[0])}-{dotted(row.pythons[1])} | {row.index or 'registry'} |"
        for framework, rows in TABLE.items()
        for row in rows
    ]
