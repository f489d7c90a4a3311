"""Files that are either whole or absent: atomic writes, digests, locks and the cache folder."""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import UserError

PROJECT_ROOT = Path(__file__).resolve().parents[1]
_SECONDS_TO_DOWNLOAD = 3600.0


def cache_folder() -> Path:
    """The folder for downloads: ``$GREEDYHASH_CACHE``, else ``~/.cache/greedyhash``."""
    return Path(os.environ.get("GREEDYHASH_CACHE") or Path.home() / ".cache" / "greedyhash")


@contextmanager
def missing_from_cache(path: Path) -> Iterator[bool]:
    """Whether ``path`` must still be fetched; while the block runs, no other process fetches anything."""
    if path.exists():
        yield False
        return
    with folder_lock(cache_folder(), wait_seconds=_SECONDS_TO_DOWNLOAD):
        yield not path.exists()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` that replaces it if the block succeeds and vanishes if not.

    Raises UserError when the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        make_folder(path.parent)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; choose a writable place") from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> Path:
    """Create ``folder`` and its parents; UserError when that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot create the folder {folder}: {error.strerror or error}; choose a writable place"
        ) from error
    return folder


def write_text(path: Path, text: str) -> None:
    """Write ``text`` atomically; of a file's name that is no UTF-8, escapes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: object) -> None:
    """Write ``value`` atomically as indented JSON; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict:
    """The JSON object in ``path``; UserError when it is missing, damaged or no object."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}; expected a JSON file written by this project") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object, received {type(value).__name__}")
    return value


def sha256_of(*chunks: bytes | memoryview) -> str:
    """Hex SHA-256 of the chunks one after the other."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def folder_lock(folder: Path, wait_seconds: float = 0.0, shared: bool = False) -> Iterator[None]:
    """Hold ``folder/.lock`` while the block runs; the system frees it even when the process is killed.

    Several processes may hold it ``shared`` at once, but none beside one that does not share. Raises UserError when
    another process is in the way and still is after ``wait_seconds``.
    """
    deadline, kind = time.monotonic() + wait_seconds, fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with open(make_folder(folder) / ".lock", "w") as handle:
        while True:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise UserError(
                        f"{folder} is in use by another process; wait for it, or choose another folder"
                    ) from error
                time.sleep(0.1)
        yield
