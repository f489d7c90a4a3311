"""CUDA's libraries under the names by which Paddle 2 looks for them: libX.so, where NVIDIA's wheels hold libX.so.N."""

import os
import re
import shutil
from pathlib import Path

from shared.system.files import remove, scratch_beside

_FOLDER = Path("lib", "cuda-links")
_VARIABLE = "LD_LIBRARY_PATH"
_NUMBERS = re.compile(r"(?<=\.so)(\.\d+)+$")


def make_links(environment: Path) -> list[str]:
    """Link every CUDA library of an environment that has Paddle 2 by both names, in one folder; their names.

    Without Paddle 2, or without libraries, there is no such folder: Paddle 3 finds its own.
    """
    libraries = [
        library
        for paddle in environment.glob("lib/python3*/site-packages/paddlepaddle_gpu-2.*.dist-info")
        for library in sorted(paddle.parent.glob("nvidia/*/lib/lib*.so*"))
    ]
    folder = environment / _FOLDER
    remove(folder)
    if not libraries:
        return []
    with scratch_beside(folder) as scratch:
        for library in libraries:
            for name in {library.name, _NUMBERS.sub("", library.name)}:
                (scratch / name).symlink_to(library.absolute())
        names = sorted(file.name for file in scratch.iterdir())
        os.rename(scratch, folder)
    return names


def library_path(python: str) -> dict[str, str]:
    """The variable with which an interpreter of an environment that has such links must be started; {} without."""
    folder = Path(shutil.which(python) or python).absolute().parent.parent / _FOLDER
    if not folder.is_dir():
        return {}
    return {_VARIABLE: os.pathsep.join(filter(None, (str(folder), os.environ.get(_VARIABLE))))}
