"""Images as one line of text, for a worker that answers line by line."""

import base64
import binascii
import json
from collections.abc import Sequence

import numpy as np

from shared.system.errors import UserError


def write_question(names: Sequence[str], pixels: np.ndarray) -> str:
    """Names of N images and their pixels, uint8 (N, height, width, 3), as one line of ASCII without its end.

    >>> line = write_question(["a", "b"], np.zeros((2, 8, 8, 3), np.uint8))
    >>> read_question(line, (8, 8))[1].shape
    (2, 8, 8, 3)
    """
    return json.dumps({"names": list(names), "pixels": base64.b64encode(pixels.tobytes()).decode()})


def read_question(line: str, size: tuple[int, int]) -> tuple[list[str], np.ndarray]:
    """What ``write_question`` wrote of images of ``size`` (height, width); UserError for anything else."""
    try:
        question = json.loads(line)
        names, octets = question["names"], base64.b64decode(question["pixels"], validate=True)
        return names, np.frombuffer(octets, np.uint8).reshape(len(names), *size, 3)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        expected = f'{{"names": [...], "pixels": base64 of uint8 (N, {size[0]}, {size[1]}, 3)}}'
        raise UserError(f"stdin: expected lines {expected}, received {line[:40]!r} ({error})") from error
