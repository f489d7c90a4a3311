"""Files out of a tar archive of any origin: what a member's header says is compared with bounds before it is read."""

import gzip
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from shared.system.errors import UserError, printable

SUFFIXES = (".tar.gz", ".tgz", ".tar")
# three times CIFAR-10; whatever lies between the wanted members must be unpacked too
_MOST_BYTES = 512 << 20
_MOST_MEMBERS = 1000
# for the headers of one member, which may hold long names and lists of holes
_HEADER_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


class _TooMuch(Exception):
    pass


class _Metered:
    """The unpacked archive; reading more than ``allowed`` bytes raises ``_TooMuch``."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.allowed = stream, _HEADER_BYTES

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.allowed -= len(data)
        if self.allowed < 0:
            raise _TooMuch
        return data


def read_members(path: Path, sizes: Mapping[str, range]) -> dict[str, bytes]:
    """File name -> content for those in ``sizes``, which holds the sizes in bytes that are allowed, wherever they lie.

    Raises UserError for a damaged or endless archive, another kind of file, and wanted members of another size.
    """
    with _guarded(path), path.open("rb") as file, _unpacked(file) as plain:
        stream = _Metered(plain)
        # as a stream: it is read once, from start to end, and never held
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            contents = dict(_wanted(path, archive, stream, sizes))
        stream.allowed += _HEADER_BYTES
        while stream.read(1 << 16):  # to its end, where gzip compares the checksum
            pass
    return contents


def _wanted(
    path: Path, archive: tarfile.TarFile, stream: _Metered, sizes: Mapping[str, range]
) -> Iterator[tuple[str, bytes]]:
    members, total, seen = 0, 0, set()
    while (member := archive.next()) is not None:
        archive.members = []  # it would keep all of them
        members, total, name = members + 1, total + member.size, Path(member.name).name
        if members > _MOST_MEMBERS or total > _MOST_BYTES:
            raise _TooMuch
        stream.allowed = member.size + _HEADER_BYTES
        if name in sizes and member.isreg():
            if member.issparse() or member.size not in sizes[name]:
                received = "one with holes" if member.issparse() else f"{printable(member.size)}"
                raise UserError(f"{path}/{name}: expected {_bytes(sizes[name])}, received {received}")
            if name in seen:
                raise UserError(f"{path}: expected one file {name}, received several")
            seen.add(name)
            yield name, archive.extractfile(member).read()


def _bytes(sizes: range) -> str:
    return f"{sizes[0]} bytes" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} bytes"


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise UserError(f"{path}: expected a CIFAR-10 archive, received something that is no file")
    try:
        yield
    except (UserError, MemoryError, PermissionError):
        raise
    except _TooMuch as error:
        raise UserError(
            f"{path}: expected an archive of CIFAR-10's batches, received one of more than {_MOST_MEMBERS} members or "
            f"{_MOST_BYTES >> 20} MiB; unpack what you need and name the folder"
        ) from error
    except Exception as error:  # a damaged archive can fail anywhere inside gzip, zlib and tarfile
        with path.open("rb") as file:
            is_page = file.read(512).lstrip().startswith(b"<")
        received = "a web page" if is_page else "a damaged archive, or another kind of file"
        raise UserError(f"{path}: expected a CIFAR-10 archive, received {received}; fetch it again") from error


def _unpacked(file: BinaryIO) -> AbstractContextManager[BinaryIO]:
    is_packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    return gzip.open(file) if is_packed else nullcontext(file)
