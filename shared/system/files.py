"""Files that are either whole or absent: atomic writes, digests, locks and the cache folder.

Nothing is written through a symbolic link: a suite may come from elsewhere.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from shared.system.errors import UserError, remedy
from shared.system.schema import ANY, TEXT, Each, checked, parse_json

PROJECT_ROOT = Path(__file__).resolve().parents[2]
# what an interpreter is given to run a module of this clone
ENTRY = PROJECT_ROOT / "shared" / "system" / "entry.py"
_SECONDS_TO_DOWNLOAD = 3600.0
_MOST_BYTES = 64 * 2**20
# of a temporary file: who writes it
_HOST = re.sub(r"[^\w-]", "-", socket.gethostname())
_WRITER = re.compile(r"(?:([\w-]+)\.)?(\d+)\.tmp")


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

    It is on the disk before it replaces ``path``, which a loss of power then leaves whole, and has the permissions of
    any new file. What a writer of ``path`` left that was killed is removed. Raises UserError when it cannot be written.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        make_folder(path.parent)
        _remove_leftovers(path)
        with temporary.open("xb") as file:  # safetensors' own files can be read by their owner alone
            permissions = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        yield temporary
        temporary.chmod(permissions)
        _to_disk(temporary)
        os.replace(temporary, path)
        with suppress(OSError):  # it is written, and not every folder can be read
            _to_disk(path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; {remedy(error)}") from error
    finally:
        with suppress(OSError):  # what went wrong before says more
            temporary.unlink(missing_ok=True)


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """Yield a new folder beside ``path``, which goes with the block; those of processes that were killed go now."""
    folder = _temporary(path)
    try:
        make_folder(path.parent)
        _remove_leftovers(path)
        folder.mkdir()
        yield folder
    except OSError as error:
        raise UserError(f"cannot write to {path.parent}: {error.strerror or error}; {remedy(error)}") from error
    finally:
        remove(folder)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.tmp")


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary siblings of ``path`` whose writer, a process of this machine, is no more."""
    with suppress(OSError):
        for file in path.parent.iterdir():
            if file.name.startswith(f".{path.name}."):
                writer = _WRITER.fullmatch(file.name.removeprefix(f".{path.name}."))
                if writer and writer[1] in (None, _HOST) and not _is_alive(int(writer[2])):
                    remove(file)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return process != os.getpid()  # a process of old had this number; this one has just begun to write


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot
            raise
    finally:
        os.close(descriptor)


def append_to(path: Path) -> TextIO:
    """``path`` opened for text at its end; OSError when it is a symbolic link."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe would wait for its reader
    return open(os.open(path, flags, 0o666), "a", encoding="utf-8")


def remove(path: Path) -> None:
    """Remove a file, a folder with all that is in it, or a link and not what it leads to; nothing if there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def check_links(folder: Path) -> None:
    """UserError when a folder somewhere below ``folder`` is a symbolic link: what is written there lands elsewhere."""
    for parent, names, _ in os.walk(folder):
        for link in (Path(parent, name) for name in names if Path(parent, name).is_symlink()):
            raise UserError(f"{link}: expected a folder, received a link to one, through which nothing is written")


def make_folder(folder: Path) -> Path:
    """Create ``folder`` and its parents; UserError when that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create the folder {folder}: {error.strerror or error}; {remedy(error)}") from error
    return folder


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Create ``folder`` for what the block writes there; what it made and left empty goes again if the block fails."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    make_folder(folder)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # not empty: something was written
            for path in missing:
                path.rmdir()
        raise


def check_writable(folder: Path) -> None:
    """UserError, before long work, when ``folder`` could not be created, or nothing written into it."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise UserError(f"cannot write to the folder {folder}: {error.strerror}; {remedy(error)}") from error


def check_target(path: Path) -> None:
    """UserError, before long work, when no file could be written at ``path``."""
    if path.is_dir():
        raise UserError(f"{path}: expected a file to write, received a folder; add a name")
    check_writable(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` atomically; of a file's name that is no UTF-8, escapes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: object, one_line: bool = False) -> None:
    """Write ``value`` atomically as JSON, indented unless on ``one_line``; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=None if one_line else 2, allow_nan=False) + "\n")


def read_json(path: Path, schema: object = Each(ANY, TEXT), most_bytes: int = _MOST_BYTES) -> dict:
    """The JSON object in ``path``, like ``schema`` (see its module); UserError when it is missing or unlike it."""
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
def folder_lock(
    folder: Path, wait_seconds: float = 0.0, shared: bool = False, waiting: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Hold ``folder/.lock`` while the block runs; the system frees it even when the process is killed.

    Several processes may hold it ``shared`` at once, but none beside one that does not share. ``waiting`` is called
    once if another process is in the way. Raises UserError when it still is after ``wait_seconds``.
    """
    deadline, kind = time.monotonic() + wait_seconds, fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    is_waiting = False
    with _open_lock(make_folder(folder) / ".lock") as handle:
        while True:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise UserError(
                        f"{folder} is in use by another process; wait for it, or choose another folder"
                    ) from error
                if not is_waiting:
                    waiting()
                    is_waiting = True
                time.sleep(0.1)
        yield


def _open_lock(path: Path) -> TextIO:
    # whatever its content is, it is left alone
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+")
