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
from shared.schema import ANY, TEXT, Each, checked, parse_json

PROJECT_ROOT = Path(__file__).resolve().parents[1]
_SECONDS_TO_DOWNLOAD = 3600.0
_MOST_BYTES = 64 * 2**20


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


def read_json(path: Path, schema: object = Each(ANY, TEXT), most_bytes: int = _MOST_BYTES) -> dict:
    """The JSON object in ``path``, like ``schema`` (shared/schema.py); UserError when it is missing or unlike it."""
    content = read_bytes(path, "a JSON file written by this project", most_bytes)
    return checked(parse_json(content, str(path)), schema, str(path))


def read_bytes(path: Path, expected: str, most_bytes: int = _MOST_BYTES) -> bytes:
    """The content of a file; UserError, naming what was ``expected``, when it cannot be read, is none or is larger."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: expected {expected}, received what is no file")
        if path.stat().st_size > most_bytes:
            raise UserError(f"{path}: expected at most {most_bytes} bytes, received {path.stat().st_size}")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: expected {expected}, cannot read it: {error.strerror or error}") from error


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
