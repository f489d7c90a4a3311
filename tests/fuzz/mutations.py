"""Files of bytes, of JSON and of CSV made hostile; every choice is drawn from the generator that is passed."""

import json
import struct

# what json.dumps cannot write, or only in letters that are not allowed
LITERALS = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "9" * 30, '"\\ud800"', "[" * 3000, "[" * 60 + "]" * 60]
VALUES = [None, True, -1, 0, 2, 0.5, -0.5, 1e300, "", "x", "\x1b[31m", [], {}, [[]], {"a": None}, list(range(7))]
CELLS = ["9" * 200_000, "nan", "inf", "-1", '"', "\x00", "", "\udcff", "1,2,3", "1e400", "\r"]
_JUNK = ["", "\x00", "[" * 100, ",", "\udcff"]
_HUGE = [b"\xff" * 8, bytes(8), struct.pack("<Q", 2**63), struct.pack("<I", 2**31 - 1), struct.pack("<Q", 2**40)]
_HUGE += [b"9" * 30, b"-1", b"\x7f" * 4]
_HEADERS = 4096  # headers and directories lie at both ends of a file
_MARK = "a value to be replaced"


def changed_bytes(data, choose):
    """Bits flipped, cut off, extended, overwritten, or pieces moved or doubled."""
    corrupted = bytearray(data)
    for _ in range(choose.choice([1, 1, 2, 6])):
        _change_once(corrupted, choose)
    return bytes(corrupted)


def _change_once(corrupted, choose):
    size = max(1, len(corrupted))
    near = choose.randrange(min(choose.choice([60, 600, _HEADERS]), size))
    place = choose.choice([near, near, size - 1 - near, choose.randrange(size)])
    match choose.randrange(10):
        case 0 | 1 | 2 | 3:
            corrupted[place : place + 1] = bytes([choose.choice([0, 1, 127, 255, 1 << choose.randrange(8), 48])])
        case 4:
            for byte in range(place, min(place + 1 + choose.randrange(4), len(corrupted))):
                corrupted[byte] ^= 1 << choose.randrange(8)
        case 5:
            del corrupted[place:]
        case 6:
            corrupted[place:place] = choose.randbytes(choose.randrange(1, 64))
        case 7:
            huge = choose.choice(_HUGE)
            corrupted[place : place + choose.choice([0, len(huge)])] = huge
        case 8:
            block = corrupted[place : place + choose.randrange(1, 300)]
            corrupted[place:place] = block
        case 9:
            start = choose.randrange(size)
            corrupted[place : place + 200] = corrupted[start : start + 200]


def changed_csv(data, choose):
    """One number replaced."""
    fields = data.decode().split(",")
    fields[choose.randrange(len(fields))] = choose.choice(CELLS)
    return ",".join(fields).encode("utf-8", "surrogateescape")


def changed_text(data, choose):
    """JSON, or a record a line, with a value replaced, removed or joined by a stranger, or with bytes of it changed."""
    text = data.decode()
    if choose.random() < 0.15:
        at = choose.randrange(len(text))
        junk = choose.choice([*_JUNK, text[:200]])
        return (text[:at] + junk + text[at + choose.randrange(3) :]).encode("utf-8", "surrogateescape")
    lines = text.split("\n") if text.count("\n{") else [text]
    number = choose.randrange(len([line for line in lines if line]))
    lines[number] = changed_json(json.loads(lines[number]), choose)
    return "\n".join(lines).encode()


def changed_json(value, choose):
    """The text of ``value`` after one change."""
    *path, last = choose.choice([place for place in _places(value) if place] or [("x",)])
    parent = value
    for name in path:
        parent = parent[name]
    action = choose.random()
    if action < 0.15:
        del parent[last]
    elif action < 0.25 and isinstance(parent, dict):
        parent["stranger"] = 1
    elif action < 0.7:
        parent[last] = choose.choice(VALUES)
    else:
        parent[last] = _MARK
        return json.dumps(value).replace(json.dumps(_MARK), choose.choice(LITERALS))
    return json.dumps(value)


def _places(value, path=()):
    """The path of every value within ``value``."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in inner:
        yield from _places(child, (*path, name))
