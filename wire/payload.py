"""A bounds-checked cursor over one message's payload; every read past the end is a ProtocolViolation."""

import struct

from wire.errors import ProtocolViolation

_INT16 = struct.Struct(">h")
_UINT16 = struct.Struct(">H")
_INT32 = struct.Struct(">i")
_UINT32 = struct.Struct(">I")


class PayloadReader:
    """Read a payload's fields from left to right."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    @property
    def remaining_bytes(self) -> int:
        """Return how many bytes have not been read."""
        return len(self._data) - self._offset

    def take(self, length: int) -> bytes:
        """Return the next `length` bytes."""
        end = self._offset + length
        if length < 0 or end > len(self._data):
            raise insufficient_data()
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def int16(self) -> int:
        """Return a signed 16-bit integer."""
        return self._unpack(_INT16)

    def uint16(self) -> int:
        """Return an unsigned 16-bit integer (counts may reach 65535)."""
        return self._unpack(_UINT16)

    def int32(self) -> int:
        """Return a signed 32-bit integer."""
        return self._unpack(_INT32)

    def uint32(self) -> int:
        """Return an unsigned 32-bit integer (object identifiers)."""
        return self._unpack(_UINT32)

    def sized(self) -> bytes | None:
        """Return a value behind its 32-bit length, None for length -1."""
        length = self.int32()
        if length == -1:
            return None
        return self.take(length)

    def cstring(self) -> bytes:
        """Return the bytes up to the next zero byte, and step over it."""
        end = self._data.find(b"\0", self._offset)
        if end < 0:
            raise ProtocolViolation(message="invalid string in message")
        taken = self._data[self._offset : end]
        self._offset = end + 1
        return taken

    def rest(self) -> bytes:
        """Return everything not yet read."""
        return self.take(self.remaining_bytes)

    def finish(self) -> None:
        """Raise ProtocolViolation unless everything has been read."""
        if self.remaining_bytes:
            raise ProtocolViolation(message="invalid message format", detail="The message has bytes behind its end.")

    def _unpack(self, layout: struct.Struct) -> int:
        try:
            value: int = layout.unpack_from(self._data, self._offset)[0]
        except struct.error:
            raise insufficient_data() from None
        self._offset += layout.size
        return value


def insufficient_data() -> ProtocolViolation:
    """Build the error for a message that ends before its fields do."""
    return ProtocolViolation(message="insufficient data left in message")


def cstring(value: bytes) -> bytes:
    """Encode a zero-terminated string; a zero inside it would end it early, so it is refused."""
    if b"\0" in value:
        raise ProtocolViolation(message="a protocol string contains a zero byte")
    return value + b"\0"


def message(kind: bytes, payload: bytes | memoryview) -> bytes:
    """Encode one typed message: kind, length that counts itself, payload."""
    return kind + _INT32.pack(len(payload) + 4) + payload
