"""Tables of a flatbuffer, read field by field."""

import flatbuffers
from flatbuffers.number_types import (
    Float32Flags,
    Int8Flags,
    Uint32Flags,
    UOffsetTFlags,
)
from flatbuffers.table import Table


class Read:
    """A flatbuffers table: `read[field]` is the table or vector of a field."""

    def __init__(self, data: bytes, at: int | None = None):
        root = flatbuffers.encode.Get(UOffsetTFlags.packer_type, data, 0)
        self.table = Table(data, root if at is None else at)

    def offset(self, field: int) -> int:
        return self.table.Offset(4 + 2 * field)

    def __getitem__(self, field: int) -> "Read":
        at = self.table.Indirect(self.table.Pos + self.offset(field))
        return Read(self.table.Bytes, at)

    def tables(self, field: int) -> list["Read"]:
        start = self.table.Vector(self.offset(field))
        count = self.table.VectorLen(self.offset(field))
        offsets = (self.table.Indirect(start + 4 * i) for i in range(count))
        return [Read(self.table.Bytes, at) for at in offsets]

    def string(self, field: int) -> str:
        return self.table.String(self.table.Pos + self.offset(field)).decode()

    def enum(self, field: int) -> int:
        return self.number(field, Int8Flags)

    def floats(self, field: int) -> list[float]:
        kind = Float32Flags
        return self.table.GetVectorAsNumpy(kind, self.offset(field)).tolist()

    def number(self, field: int, kind: type) -> float:
        """A number of a type of flatbuffers; 0 for a field that is missing."""
        offset = self.offset(field)
        return self.table.Get(kind, self.table.Pos + offset) if offset else 0

    def uints(self, field: int) -> list[int]:
        return self.table.GetVectorAsNumpy(Uint32Flags, self.offset(field)).tolist()

    def bytes(self, field: int) -> tuple[int, bytes]:
        """The offset and the content of a byte vector."""
        start = self.table.Vector(self.offset(field))
        count = self.table.VectorLen(self.offset(field))
        return start, self.table.Bytes[start : start + count]
