"""Fetching CIFAR-10 once into the cache folder: checked, with progress, going on where it broke off."""

from pathlib import Path

import pooch
import requests

from shared.system.errors import UserError
from shared.system.files import cache_folder, make_folder, missing_from_cache
from shared.system.progress import Progress

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
_CHUNK = 1 << 18
_TIMEOUT_SECONDS = 30


def downloaded_cifar10() -> Path | None:
    """The archive where an earlier command has downloaded it; its SHA-256 is checked when it is used."""
    archive = cache_folder() / CIFAR10_URL.rsplit("/", 1)[-1]
    return archive if archive.exists() else None


def fetch_cifar10(progress: Progress, url: str = CIFAR10_URL, sha256: str = CIFAR10_SHA256) -> Path:
    """The path of the official binary archive, downloaded on first use.

    Raises UserError without a network or when the file's SHA-256 is wrong.
    """
    folder = make_folder(cache_folder())
    name = url.rsplit("/", 1)[-1]
    part = folder / f"{name}.part"

    def resume(url: str, output: str, _pooch: object) -> None:
        _download(url, part, progress)
        part.replace(output)

    try:
        with missing_from_cache(folder / name):
            return Path(pooch.retrieve(url, f"sha256:{sha256}", fname=name, path=folder, downloader=resume))
    except requests.RequestException as error:
        raise UserError(
            f"cannot download {url} ({type(error).__name__}); the part received is kept. "
            "Without a network use --data PATH with a copy you have, or --preset demo, which needs none"
        ) from error
    except ValueError as error:
        raise UserError(f"{url}: expected SHA-256 {sha256}, received another file; it was thrown away") from error


def _download(url: str, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # the part is already whole; the checksum decides
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            have = 0  # the server sends the whole file again
        total = have + int(response.headers.get("Content-Length", 0))
        with part.open("ab" if have else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                have += file.write(chunk)
                progress.update("download", have, max(total, have))
