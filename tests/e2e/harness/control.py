"""The control socket, spoken by hand: a frame is a big-endian length and one MessagePack map."""

import itertools
import socket
import struct


def pack(value) -> bytes:
    if value is None:
        return b"\xc0"
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if 0 <= value < 128:
            return bytes([value])
        return b"\xcf" + struct.pack(">Q", value) if value >= 0 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        raw = value.encode()
        return b"\xdb" + struct.pack(">I", len(raw)) + raw
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, (list, tuple)):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(pack(k) + pack(v) for k, v in value.items())
    raise TypeError(type(value))


_FIXED = {0xca: ">f", 0xcb: ">d", 0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q",
          0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}
_SIZED = {0xc4: ("bin", ">B"), 0xc5: ("bin", ">H"), 0xc6: ("bin", ">I"), 0xd9: ("str", ">B"), 0xda: ("str", ">H"),
          0xdb: ("str", ">I"), 0xdc: ("list", ">H"), 0xdd: ("list", ">I"), 0xde: ("map", ">H"), 0xdf: ("map", ">I")}


def unpack(data: bytes):
    value, end = _unpack(data, 0)
    assert end == len(data), "bytes after the value"
    return value


def _unpack(data, at):
    tag = data[at]
    at += 1
    if tag < 0x80:
        return tag, at
    if tag >= 0xe0:
        return tag - 256, at
    if tag in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[tag], at
    if tag in _FIXED:
        size = struct.calcsize(_FIXED[tag])
        return struct.unpack_from(_FIXED[tag], data, at)[0], at + size
    if tag < 0x90:
        kind, size = "map", tag & 15
    elif tag < 0xa0:
        kind, size = "list", tag & 15
    elif tag < 0xc0:
        kind, size = "str", tag & 31
    else:
        kind, form = _SIZED[tag]
        size = struct.unpack_from(form, data, at)[0]
        at += struct.calcsize(form)
    if kind in ("bin", "str"):
        raw = data[at:at + size]
        return (raw.decode() if kind == "str" else raw), at + size
    items = []
    for _ in range(size * (2 if kind == "map" else 1)):
        item, at = _unpack(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if kind == "map" else items), at


class ControlError(Exception):
    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = error.get("code")


class Control:
    def __init__(self, path, timeout=30.0):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(str(path))
        self.ids = itertools.count(1)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, frame: bytes):
        self.sock.sendall(struct.pack(">I", len(frame)) + frame)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise ConnectionError("control connection closed")
            data += more
        return data

    def read(self):
        return unpack(self._exactly(struct.unpack(">I", self._exactly(4))[0]))

    def call(self, cmd, **args):
        """The result; of an answer in several frames the lists joined."""
        number = next(self.ids)
        self.send(pack({"v": 1, "id": number, "cmd": cmd, "args": args}))
        result = None
        while True:
            answer = self.read()
            assert answer.get("id") == number, answer
            if not answer["ok"]:
                raise ControlError(answer["error"])
            part = answer.get("result")
            result = result + part if isinstance(result, list) and isinstance(part, list) else part
            if not answer.get("more"):
                return result
