"""Small files that are dear to decode: the kinds that a stranger would send to keep a server busy."""

import io
import struct
import zlib

from PIL import Image


def progressive_jpeg(scans, side=6200):
    """A grey picture whose last pass over all pixels is told again and again, in 3 kB each time."""
    file = io.BytesIO()
    Image.new("L", (side, side), 128).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    last = content.rindex(b"\xff\xda")
    return content[:last] + scans * content[last:-2] + content[-2:]


def tiled_tiff(tiles, across=2**16, down=16):
    """A narrow picture of wide tiles, one below the other and all the same 1 kB, of which a column each is seen."""
    pixels = zlib.compress(bytes(2**16 * 16), 9)
    entries = [(256, 3, 1, 16), (257, 4, 1, tiles * down), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)]
    entries += [(277, 3, 1, 1), (322, 4, 1, across), (323, 4, 1, down)]
    start = 8 + 2 + 12 * (len(entries) + 2) + 4
    entries += [(324, 4, tiles, start), (325, 4, tiles, start + 4 * tiles)]
    folder = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    places = struct.pack(f"<{tiles}I", *[start + 8 * tiles] * tiles)
    return (
        struct.pack("<2sHI", b"II", 42, 8)
        + folder
        + places
        + struct.pack(f"<{tiles}I", *[len(pixels)] * tiles)
        + pixels
    )
