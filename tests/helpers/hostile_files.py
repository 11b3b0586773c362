"""Files that pretend to hold weights: 200 of them, made from a seed.

Every generator yields (name, bytes). Those that call a function would leave the
`canary`, a path, behind them if the call were made.
"""

import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import zipfile
from collections import OrderedDict

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
KEYS = pickle.dumps([], 2)


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *args, state=None):
        self.call = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.call


def calls(canary):
    """Calls that leave a canary when `pickle` reads them."""
    code = f"open({str(canary)!r}, 'w').close()"
    return {
        "os.system": Call(os.system, f"touch {canary}"),
        "exec": Call(exec, code),
        "eval": Call(eval, code),
        "open": Call(open, str(canary), "w"),
        "popen": Call(subprocess.Popen, ["touch", str(canary)]),
        "run": Call(subprocess.call, ["touch", str(canary)]),
        "mkdir": Call(os.mkdir, str(canary)),
        "copy": Call(shutil.copyfile, __file__, str(canary)),
        "getattr": Call(exec, code, {"f": Call(getattr, 1, "real")}),
        "state": Call(OrderedDict, state=Call(os.system, f"touch {canary}")),
        "inner": [{"weight": (Call(exec, code),)}],
    }


def zipped(*entries, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def in_zip(pickled):
    return zipped(("archive/data.pkl", pickled), ("archive/byteorder", b"little"))


def in_legacy(pickled):
    head = [pickle.dumps(value, 2) for value in (MAGIC, 1001, SYSTEM)]
    return b"".join([*head, pickled, KEYS])


def hostile_calls(rng, canary, valid):
    layouts = {"plain": bytes, "zip": in_zip, "legacy": in_legacy}
    for name, call in calls(canary).items():
        for layout, wrap in layouts.items():
            protocol = int(rng.integers(0, 6))
            pickled = pickle.dumps({"w": call}, protocol)
            yield f"{name} {layout} {protocol}", wrap(pickled)
    payload = pickle.dumps(calls(canary)["exec"], 2)
    yield "archive in archive", zipped(("archive/data.pkl", in_zip(payload)))
    yield "after the weights", valid["legacy"] + payload
    yield "before the weights", payload + valid["legacy"]
    yield "in an archive after a pickle", valid["zip"] + in_zip(payload)
    yield "two pickles", zipped(("a/data.pkl", payload), ("b/data.pkl", payload))
    yield "as the list of keys", in_legacy(b"}.").removesuffix(KEYS) + payload
    yield "as the machine", pickle.dumps(MAGIC) + pickle.dumps(1001) + payload


def odd_globals(rng, canary, valid):
    names = """torch.storage _load_from_bytes|torch load|torch.nn.modules.linear Linear
    |torch._utils _rebuild_sparse_tensor|torch._utils _rebuild_tensor_v2.__globals__
    |torch._utils _rebuild_wrapper_subclass|__main__ Network|numpy load
    |numpy.core.multiarray scalar|numpy.core.multiarray _reconstruct|_codecs encode
    |copyreg _reconstructor|collections OrderedDict.__init__|builtins getattr
    |torch FloatStorage.__reduce__|torch.jit load|torch._C _jit_import|posix system
    |nt system|functools partial"""
    for name in names.split("|"):
        module, function = name.split()
        call = f"c{module}\n{function}\n(S'touch {canary}'\ntR".encode()
        yield f"{module}.{function}", in_zip(call + b".")
        yield f"{module}.{function} within", in_legacy(b"}S'w'\n" + call + b"s.")


def odd_instructions(rng, canary, valid):
    touch = f"touch {canary}".encode()
    yield "inst", in_zip(b"(S'" + touch + b"'\nios\nsystem\n.")
    yield "obj", in_zip(b"(cos\nsystem\nS'" + touch + b"'\no.")
    yield "stack global", in_zip(b"\x80\x04\x8c\x02os\x8c\x06system\x93.")
    yield "dotted global", in_zip(b"\x80\x04\x8c\x05torch\x8c\x0aos.systemXX\x93.")
    yield "extension", in_zip(b"\x80\x02\x82\x01.")
    yield "newobj", in_zip(b"\x80\x02ctorch\nFloatTensor\n)\x81.")
    yield "build", in_zip(b"\x80\x02ctorch\nFloatTensor\n)\x81}b.")
    yield "class attribute", in_zip(b"\x80\x02ctorch\nFloatTensor\n}S'x'\nK\x01sb.")
    yield "persistent", in_zip(b"\x80\x02K\x05Q.")
    yield "persistent text", in_zip(b"Pos.system\n.")
    yield "no arguments", in_zip(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.")
    yield "nothing", in_zip(b"")
    yield "nothing left", in_zip(b".")
    yield "no end", in_zip(b"}" * 50)
    for slot in (2**31, 2**32 - 1):
        yield f"memo {slot}", in_zip(b"\x80\x02}r" + struct.pack("<I", slot) + b".")
    yield "memo text", in_zip(b"}p99999999999999\n.")
    for code, size in ((b"\x8b", "<i"), (b"B", "<I"), (b"X", "<I")):
        yield f"long {code}", in_zip(b"\x80\x02" + code + struct.pack(size, 2**31 - 1))
    for code in (b"\x8e", b"\x8d", b"\x96", b"\x95"):
        yield f"huge {code}", in_zip(b"\x80\x05" + code + struct.pack("<Q", 2**60))
    doubled = b"\x80\x02]q\x00" + b"(h\x00h\x00tq\x00" * 60
    yield "doubled", in_zip(doubled + b".")
    yield "doubled as a key", in_zip(b"\x80\x02}" + doubled[2:] + b"K\x01s.")
    yield "deep lists", in_zip(b"]" * 9000 + b"a" * 8999 + b".")
    yield "deep tuples", in_zip(b")" + b"\x85" * 9000 + b".")
    yield "deep as a key", in_zip(b"})" + b"\x85" * 9000 + b"K\x01s.")
    yield "long number", in_zip(b"}S'w'\nL" + b"9" * 100_000 + b"L\ns.")


def odd_archives(rng, canary, valid):
    zeros = bytes(20_000_000)
    bomb = zipped(("a/data.pkl", zeros), compression=zipfile.ZIP_DEFLATED)
    yield "bomb", bomb
    yield "bomb in bomb", zipped(("a/data.pkl", bomb), ("a/b", bomb))
    as_data = zipped(("a/data/0", zeros), compression=zipfile.ZIP_DEFLATED)
    yield "bomb beside", as_data
    yield "many entries", zipped(*((f"a/data/{i}", b"") for i in range(5000)))
    yield "paths", zipped((f"../../{canary.name}", b"x"), (str(canary), b"x"))
    yield "no pickle", zipped(("archive/data/0", b"1234"))
    whole = bytearray(valid["zip"])
    directory = whole.rindex(b"PK\x01\x02")
    first = whole.index(b"PK\x01\x02")
    for name, at, value in (
        ("compressed size", directory + 20, 2**32 - 2),
        ("size", directory + 24, 2**31),
        ("offset", first + 42, 2**31),
        ("overlap", directory + 42, 0),
        ("encrypted", first + 8, 1),
        ("method", first + 10, 99),
        ("entries", len(whole) - 12, 2**16),
        ("directory", len(whole) - 6, 2**31),
    ):
        damaged = whole.copy()
        damaged[at : at + 4] = struct.pack("<I", value)
        yield name, bytes(damaged)


def safetensors_of(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def odd_safetensors(rng, canary, valid):
    def tensor(begin, end, shape=(2,), dtype="F32"):
        return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}

    for length in (0, 1, 2**24, 2**40, 2**63, 2**64 - 1):
        yield f"header of {length}", safetensors_of(b"{}", length=length)
    for name, tensors, num_bytes in (
        ("overlap", (tensor(0, 8), tensor(4, 12)), 12),
        ("same place", (tensor(0, 8), tensor(0, 8)), 8),
        ("hole", (tensor(0, 8), tensor(16, 24)), 24),
        ("backwards", (tensor(8, 0),), 8),
        ("negative", (tensor(-8, 0),), 8),
        ("outside", (tensor(0, 8),), 4),
        ("huge", (tensor(0, 2**62, (2**60,)),), 8),
        ("overflow", (tensor(0, 8, (2**63, 2**63)),), 8),
        ("negative shape", (tensor(0, 8, (-2,)),), 8),
        ("text for a shape", ({**tensor(0, 8), "shape": "two"},), 8),
        ("unknown type", (tensor(0, 8, dtype="O8"),), 8),
        ("no type", ({"shape": [2], "data_offsets": [0, 8]},), 8),
        ("no metadata", (tensor(0, 8),), 8),
        ("rest", (tensor(0, 8),), 99),
    ):
        header = {f"t{i}": value for i, value in enumerate(tensors)}
        yield name, safetensors_of(header, bytes(num_bytes))
    for name, text in (
        ("no json", b"{not json"),
        ("deep json", b'{"a":' * 20_000),
        ("list", b"[1, 2]"),
        ("null", b"{\x00\xff}"),
        ("metadata of numbers", b'{"__metadata__": {"styleflax": 5}}'),
        ("metadata in depth", b'{"__metadata__": {"styleflax": {}}}'),
    ):
        yield name, safetensors_of(text)
    head = {"version": 1, "method": "adain", "sha256": "0", "players": ["model"]}
    for changed in (
        {"version": "x"},
        {"version": 10**30},
        {"version": None},
        {"players": 7},
        {"players": {"a": [1]}},
        {"encoder": [1, 2]},
        {"encoder": {"architecture": "vgg16"}},
        {"method": {"a": 1}},
        {"arithmetic": float("nan")},
        {"sha256": None},
    ):
        known = {"encoder": {}, "arithmetic": {}, "provenance": {}, **head, **changed}
        metadata = {"__metadata__": {"styleflax": json.dumps(known)}}
        yield f"metadata {changed}", safetensors_of(metadata)


def garbage(rng, canary, valid):
    begins = [b"", b"{", b"PK\x03\x04", b"\x80\x02", b"\x89HDF\r\n\x1a\n", b"\x1f\x8b"]
    for begin in begins:
        yield f"noise after {begin}", begin + rng.bytes(int(rng.integers(1, 4000)))
        yield f"only {begin}", begin
    yield "zeros", bytes(5000)
    yield "text", b"weights\n" * 100
    for kind in ("zip", "legacy", "model", "h5"):
        whole = valid[kind]
        for _ in range(5):
            yield f"{kind} cut", whole[: int(rng.integers(1, len(whole) - 1))]


def flipped(rng, canary, valid):
    """Not all of these are damaged where it matters."""
    for kind in ("zip", "legacy", "model", "h5"):
        for _ in range(6):
            damaged = np.frombuffer(valid[kind], np.uint8).copy()
            # Near the beginning, where the structure is.
            places = rng.integers(0, min(len(damaged), 3000), 3)
            damaged[places] ^= np.uint8(1) << rng.integers(0, 8, 3).astype(np.uint8)
            yield f"{kind} flipped at {places}", damaged.tobytes()


_KINDS = (hostile_calls, odd_globals, odd_instructions, odd_archives)
KINDS = {f.__name__: f for f in (*_KINDS, odd_safetensors, garbage, flipped)}
