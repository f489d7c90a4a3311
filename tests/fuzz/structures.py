"""Files with an inner structure made hostile from within: changed where checksums, sizes and headers still fit."""

import ast
import gzip
import io
import json
import os
import pickletools
import struct
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path

from tests.fuzz.mutations import changed_bytes, changed_json

# written if any reader runs what is in a pickle
CANARY = Path(tempfile.gettempdir()) / f"greedyhash-fuzz-canary-{os.getpid()}"
NAMES = ["", ".", "..", "../../x", "/etc/passwd", "a/data.pkl", "x_train.npy", "codes.npy", "\x1b[31m", "n" * 5000, "é"]
_INTEGERS = [
    b"J\xff\xff\xff\x7f",
    b"J\xff\xff\xff\xff",
    b"\x8a\x0b" + b"\xff" * 10 + b"\x00",
    b"K\x00",
    b"N",
    b"]",
    b")",
]
_INTEGERS += [b"\x8a\xff" + b"\xff" * 254 + b"\x7f", b"G\x7f\xf8" + bytes(6), b"\x88"]
_GLOBALS = [
    "posix system",
    "builtins eval",
    "builtins list",
    "builtins tuple",
    "collections OrderedDict",
    "numpy dtype",
]
_GLOBALS += ["numpy ndarray", "_codecs encode", "torch._utils _rebuild_tensor_v2", "torch FloatStorage", "a.b c"]
_GLOBALS += ["torch HalfStorage", "numpy.core.multiarray scalar", "collections defaultdict", "builtins getattr"]
_SHAPES = [
    "()",
    "(1,)",
    "(-1,)",
    "(2**62, 4)",
    "(10**30,)",
    "(0,)",
    "(1,) * 40",
    "('a',)",
    "(1.5,)",
    "None",
    "(((1,),),)",
]
_DTYPES = ["'|O'", "'<U5'", "'<f8'", "'<f99'", "[('a', '<f4')]", "'<M8[s]'", "None", "'|V0'", "'<i8'", "'|b1'", "'>f4'"]
_TYPES = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE]
_TYPES += [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, b"?"]
_HEAD = 128  # of MATLAB's files


def changed_pickle(data, choose):
    """One or two steps of a pickle replaced, removed, doubled or joined by others."""
    for _ in range(choose.choice([1, 1, 2])):
        try:
            starts = [(step.name, place) for step, _, place in pickletools.genops(data)]
        except Exception:  # it is no whole pickle any more
            return changed_bytes(data, choose)
        data = _with_step_changed(data, [name for name, _ in starts], [place for _, place in starts], choose)
    return data


def _with_step_changed(data, names, places, choose):
    places = [*places, len(data)]
    integers = [n for n, name in enumerate(names) if name.startswith("BININT")]
    texts = [n for n, name in enumerate(names) if "UNICODE" in name or name == "GLOBAL"]
    kind = choose.random()
    step = choose.randrange(len(names))
    if kind < 0.3 and integers:
        step, new = choose.choice(integers), choose.choice(_INTEGERS)
    elif kind < 0.5 and texts:
        step = choose.choice(texts)
        module, name = choose.choice(_GLOBALS).split(" ")
        new = f"c{module}\n{name}\n".encode() if names[step] == "GLOBAL" else _text(choose.choice([module, name, ""]))
    elif kind < 0.65:
        new = b""
    elif kind < 0.85:
        return data[: places[step]] + choose.choice(_snippets()) + data[places[step] :]
    else:
        end = min(len(names), step + choose.randrange(1, 20))
        at = choose.choice(places[:-1])
        return data[:at] + data[places[step] : places[end]] + data[at:]
    return data[: places[step]] + new + data[places[step + 1] :]


def _text(text):
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _snippets():
    touch, write = _text(f"touch {CANARY}"), _text(f"open({str(CANARY)!r}, 'w')")
    tower = b")" + b"2\x86" * 60  # a tuple of itself twice, 60 times over: 2**60 steps to hash or to show
    calls = [b"cposix\nsystem\n" + touch + b"\x85R", b"cbuiltins\neval\n" + write + b"\x85R"]
    calls += [b"cposix\nsystem\n" + touch + b"\x85\x81", b"(cposix\nsystem\n" + touch + b"o"]
    return [*calls, tower, tower + b"0", b"0", b"2", b"(", b"1", b"}", b"]", b"N", b"h\x00", b"j\xff\xff\xff\x7f", b"."]


def changed_npy(data, choose):
    """The header of one array replaced in part, at its right length; sometimes the numbers behind it, too."""
    length = int.from_bytes(data[8:10], "little")
    text, numbers = data[10 : 10 + length].decode("latin-1"), data[10 + length :]
    header = ast.literal_eval(text.strip())
    fields = {name: repr(value) for name, value in header.items()}
    what = choose.choice(["shape", "shape", "descr", "fortran_order", "stranger"])
    fields[what] = choose.choice({"shape": _SHAPES, "descr": _DTYPES}.get(what, ["True", "1", "'x'", "[" * 200]))
    text = "{" + ", ".join(f"'{name}': {value}" for name, value in fields.items()) + "}\n"
    numbers = changed_bytes(numbers, choose) if choose.random() < 0.3 and numbers else numbers
    return data[:8] + struct.pack("<H", len(text)) + text.encode("latin-1") + numbers


def changed_zip(data, choose):
    """Entries renamed, removed, doubled, resized, packed otherwise, or changed within and their checksums made anew."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        entries = [(info.filename, source.read(info)) for info in source.infolist()]
        method = source.infolist()[0].compress_type
    number = choose.randrange(len(entries))
    name, content = entries[number]
    action = choose.random()
    if action < 0.6:
        pickles = [n for n, (each, _) in enumerate(entries) if each.endswith(".pkl")]
        number = choose.choice([*pickles, number])
        name, content = entries[number]
        entries[number] = (name, _within(name, content, choose))
    elif action < 0.7:
        entries[number] = (name.rpartition("/")[0] + choose.choice(NAMES), content)
    elif action < 0.75:
        del entries[number]
    elif action < 0.8:
        entries.append((name, content))
    elif action < 0.9:
        method = choose.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
    packed = _zip_of(entries, method)
    if action >= 0.9:
        size = struct.pack("<I", len(content))
        packed = packed.replace(
            size, choose.choice([b"\xff\xff\xff\x7f", b"\xff" * 4, bytes(4)]), choose.choice([1, -1])
        )
    return packed


def _within(name, content, choose):
    if not content:
        return choose.randbytes(10)
    change = {".pkl": changed_pickle, ".npy": changed_npy}.get(name[-4:], changed_bytes)
    return change(content, choose)


def _zip_of(entries, method):
    packed = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two of one name
        with zipfile.ZipFile(packed, "w", method) as target:
            for name, content in entries:
                target.writestr(zipfile.ZipInfo(name or "x"), content, method)
    return packed.getvalue()


def changed_tar(data, choose):
    """Members renamed, resized, of another kind, removed or doubled, at the right checksums."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(info, archive.extractfile(info).read()) for info in archive]
    info, content = choose.choice(members)
    match choose.randrange(6):
        case 0:
            info.name = choose.choice([*NAMES, "data_batch_1.bin", "data_batch_2"])
        case 1:
            info.size = choose.choice([0, 1, 2**33, 2**62, 600 << 20, info.size + 1])
        case 2:
            info.type, info.linkname = choose.choice(_TYPES), choose.choice(NAMES)
        case 3:
            members.remove((info, content))
        case 4:
            members += [(info, content)] * choose.choice([1, 30, 1200])
        case 5:
            key, value = (
                choose.choice(["size", "path", "GNU.sparse.size", "GNU.sparse.map"]),
                choose.choice(["9" * 30, "-1"]),
            )
            info.pax_headers = {key: value}
    parts = []
    for each, inner in members:
        try:
            head = each.tobuf(choose.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
        except ValueError:  # it has no place for such a value
            head = changed_bytes(
                each.tobuf(tarfile.GNU_FORMAT, errors="replace") if each.size < 2**33 else bytes(512), choose
            )
        parts += [head, inner, bytes(-len(inner) % 512)]
    plain = b"".join([*parts, bytes(1024)])
    return gzip.compress(plain, 1, mtime=0) if data[:2] == b"\x1f\x8b" else plain


def changed_safetensors(data, choose):
    """A value of the header or of what its metadata holds replaced; the header's length fits again."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    if choose.random() < 0.5 and "__metadata__" in header:
        metadata = json.loads(header["__metadata__"]["greedyhash"])
        if choose.random() < 0.6 and "recipe" in metadata:
            metadata["recipe"] = changed_json(json.loads(metadata["recipe"]), choose)
            changed = json.dumps(metadata)
        else:
            changed = changed_json(metadata, choose)
        header["__metadata__"]["greedyhash"] = changed
        text = json.dumps(header)
    else:
        text = changed_json(header, choose)
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded + data[8 + length :]


def changed_matlab(data, choose):
    """What is packed in one part changed, and packed again."""
    place, parts = _HEAD, []
    while place + 8 <= len(data):
        kind, size = struct.unpack("<II", data[place : place + 8])
        parts.append((kind, data[place + 8 : place + 8 + size]))
        place += 8 + size
    number = choose.randrange(len(parts))
    kind, content = parts[number]
    plain = zlib.decompress(content) if kind == 15 else content
    plain = changed_bytes(plain, choose)
    parts[number] = (kind, zlib.compress(plain) if kind == 15 else plain)
    return data[:_HEAD] + b"".join(struct.pack("<II", kind, len(content)) + content for kind, content in parts)
