"""Pickles written by hand, step by step."""

import struct


def pickle_of(*steps):
    return b"\x80\x02" + b"".join(steps) + b"."


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()
