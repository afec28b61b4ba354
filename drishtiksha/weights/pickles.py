"""Checkpoints that are pickles: read by torch's restricted unpickler alone, bounded in size, and no code in them is run.

What a pickle may name is called with arguments of its choice, so that each name is an entrance. Named may be what torch
itself allows (tensors, storages, their dtypes, OrderedDict and the like) and the types of harmless metadata in `METADATA`.
These are never built: each name stands for `Inert` (or a new OrderedDict), whose code does nothing with what it is
given. A path is not opened, a numpy scalar or array is not allocated, a default factory is not called. Everything else is
refused by name.
"""

from __future__ import annotations

import errno
import pickletools
import struct
import warnings
import zipfile
import zlib
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from drishtiksha.errors import WeightsDamagedError, WeightsNotAllowedError

MAX_PICKLE_BYTES = 16_000_000
"""Of the part that describes tensors; their values lie beside it."""
MAX_OPERATIONS = 1_000_000
MAX_PARTS = 4_000_000
"""Of one thing, each counted as often as it stands in it."""
MAX_OBJECTS = 100_000
"""Calls and types named, of which a tensor takes two to four."""
MAX_DEPTH = 2_000
MAX_MEMBERS = 60_000
_LEGACY_PARTS = 5
"""Pickles before the values in the format before torch 1.6: magic number, protocol, machine, content, storages."""
_CALLS = frozenset(("GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "INST", "OBJ"))
_NEW_OPERATIONS = frozenset(op.name for op in pickletools.opcodes if op.proto > 2)
_CLOSING = frozenset(("TUPLE", "LIST", "DICT", "APPENDS", "SETITEMS", "POP_MARK", "OBJ", "INST"))
_PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
_EFFECTS = {
    op.name: (
        sum(one not in (pickletools.markobject, pickletools.stackslice) for one in op.stack_before),
        pickletools.markobject in op.stack_before,
        len(op.stack_after),
    )
    for op in pickletools.opcodes
}
"""How many things an operation takes from the stack, whether also those up to the last mark, and how many it leaves."""
_END_RECORD = struct.Struct("<4s4H2LH")


_BUILDS = ("Trying to call reduce for unrecognized", "Can only ")
"""How torch's messages begin where a pickle builds what it may not."""
_BROKEN = (
    ValueError,
    IndexError,
    KeyError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    OverflowError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
"""What a damaged zip or pickle makes its readers raise: for a text that is said to have a terabyte, MemoryError."""


class Inert:
    """Stands for an object that is not built. state: what the pickle says it holds, looked at by nothing but `convert`."""

    state: Any = None

    def __new__(cls, *_: object) -> Inert:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Mapping:
    """Stands for a type of dict: a new OrderedDict. Whatever would build its missing values is forgotten."""

    def __new__(cls, *_: object) -> OrderedDict[Any, Any]:  # type: ignore[misc]
        return OrderedDict()


def _numpy_names() -> list[str]:
    scalars = (
        "bool bool_ float16 float32 float64 longdouble complex64 complex128 str_ bytes_ void datetime64 timedelta64"
    )
    integers = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    kinds = (
        "Bool Int8 UInt8 Int16 UInt16 Int32 UInt32 Int64 UInt64 Float16 Float32 Float64 LongDouble Complex64 Complex128"
    )
    machinery = [f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")]
    machinery += [f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")]
    dtypes = [f"numpy.dtypes.{kind}DType" for kind in f"{kinds} Str Bytes Object DateTime64 TimeDelta64 Void".split()]
    return ["numpy.dtype", "numpy.ndarray", *machinery, *dtypes, *(f"numpy.{n}" for n in scalars.split() + integers)]


METADATA: dict[str, Any] = {
    **dict.fromkeys(_numpy_names(), Inert),
    **dict.fromkeys(
        (
            "argparse.Namespace",
            "types.SimpleNamespace",
            *(f"pathlib{local}.{name}" for local in ("", "._local") for name in ("Path", "PosixPath", "WindowsPath")),
            *(
                f"pathlib{local}.Pure{name}"
                for local in ("", "._local")
                for name in ("Path", "PosixPath", "WindowsPath")
            ),
            *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
            *(f"builtins.{name}" for name in ("list", "dict", "tuple", "int", "float", "str", "bool", "object")),
            "torch.torch_version.TorchVersion",
            "typing.Any",
            "omegaconf.base.ContainerMetadata",
            "omegaconf.base.Metadata",
            "omegaconf.dictconfig.DictConfig",
            "omegaconf.listconfig.ListConfig",
            *(f"omegaconf.nodes.{name}Node" for name in ("Any", "Boolean", "Float", "Integer", "String")),
        ),
        Inert,
    ),
    **dict.fromkeys(
        (
            "collections.defaultdict",
            "lightning_fabric.utilities.data.AttributeDict",
            "pytorch_lightning.utilities.parsing.AttributeDict",
            "lightning.fabric.utilities.data.AttributeDict",
        ),
        _Mapping,
    ),
}
"""Full names of types that training scripts save beside the weights, and what stands for them."""


def load_pickle(path: Path) -> Any:
    """All that the file holds: tensors on the CPU (memory-mapped where the format allows), numbers, text and containers;
    `Inert` for metadata.

    Raises: WeightsNotAllowedError when it names a type that is not allowed, WeightsDamagedError.
    """
    import torch

    inspect(path)
    # For good, not for one call: torch keeps this list for the whole process, and other threads may be loading.
    torch.serialization.add_safe_globals([(stand_in, name) for name, stand_in in METADATA.items()])
    return _load(path)


def load_tensors_only(path: Path) -> Any:
    """As `load_pickle`, with `Inert` for every type that is not known, whatever it is; for `weights convert`.

    Raises: WeightsNotAllowedError for what torch refuses even so (the modules os and sys); WeightsDamagedError.
    """
    import torch

    names = inspect(path) - METADATA.keys()
    torch.serialization.add_safe_globals([(stand_in, name) for name, stand_in in METADATA.items()])
    for stand_in in (Inert, _Mapping):  # a type of dict shows itself only when the pickle fills it
        with torch.serialization.safe_globals([(stand_in, name) for name in names]):
            try:
                return _load(path)
            except WeightsNotAllowedError as error:
                if "Can only SETITEM" not in str(error.__cause__):
                    raise
                last = error
    raise last


def _load(path: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on pickle protocols; what cannot be read is refused below
            # Only the zip format of torch 1.6 and later can be mapped.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged pickle may raise anything
        if asked := _asked(str(error)):
            _refuse_type(path, asked, error)
        if any(told in str(error) for told in _BUILDS):
            _refuse_type(path, "objects built in a way of their own", error)
        raise _damaged(path) from error


def _damaged(path: Path) -> WeightsDamagedError:
    return WeightsDamagedError(f"{path} is damaged or no checkpoint. Fetch it again from its publisher.")


def _asked(message: str) -> str | None:
    """The type that torch says it refused."""
    _, found, rest = message.partition("GLOBAL ")
    name = rest.split()[0] if found and rest else None
    return f"builtins.{name}" if name and "." not in name else name


def _refuse_type(path: Path, name: str, cause: BaseException | None = None) -> NoReturn:
    raise WeightsNotAllowedError(
        f"{path} asks for {name}, a type that is not allowed in weights. It is not damaged, and nothing in it was run. To take "
        f"its tensors alone out of it, without running anything: drishtiksha weights convert {path} "
        f"{path.with_suffix('.safetensors').name}. Then import what that writes."
    ) from cause


def inspect(path: Path) -> set[str]:
    """The full names of all types that a checkpoint's pickle asks for. Only its operations are read; none is done.

    Raises: WeightsDamagedError when it is no checkpoint of torch, is cut off, or is built to keep its reader busy;
    WeightsNotAllowedError for a program (TorchScript).
    """
    try:
        if zipfile.is_zipfile(path):
            return _names(path, [BytesIO(_pickle_of_zip(path))])
        with path.open("rb") as file:
            start = file.read(2)
            if start == b"PK":
                raise WeightsDamagedError(f"{path} is damaged: its end is missing. Fetch it again from its publisher.")
            if not start.startswith(b"\x80"):
                raise WeightsDamagedError(
                    f"{path} is no checkpoint (or a damaged one): it is neither a .safetensors file nor one of PyTorch."
                )
            file.seek(0)
            return _names(path, [file] * _LEGACY_PARTS)
    except _BROKEN as error:
        raise _damaged(path) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place that no file has, as a damaged zip names it
            raise
        raise _damaged(path) from error


def _pickle_of_zip(path: Path) -> bytes:
    if _members(path) > MAX_MEMBERS:
        raise WeightsDamagedError(f"{path} is no checkpoint: it has more than {MAX_MEMBERS} parts.")
    with zipfile.ZipFile(path) as opened:
        names = opened.namelist()
        pickles = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
        if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
            raise WeightsNotAllowedError(
                f"{path} is a TorchScript program, which holds code; wanted weights alone, as torch.save writes a state dict."
            )
        if len(pickles) != 1:
            raise WeightsDamagedError(f"{path} is a zip file, but no checkpoint of PyTorch.")
        info = opened.getinfo(pickles[0])
        if info.file_size > MAX_PICKLE_BYTES:
            raise WeightsDamagedError(
                f"{path} is no plain checkpoint: its list of tensors has {info.file_size} bytes, at most {MAX_PICKLE_BYTES} are read."
            )
        return opened.read(info)


def _members(path: Path) -> int:
    """How many members a zip file says it has, without reading their list."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END_RECORD.size - 65_535))
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    return int(_END_RECORD.unpack_from(tail, at)[4]) if at >= 0 else 0


def _names(path: Path, pickles: Iterable[BinaryIO]) -> set[str]:
    names: set[str] = set()
    operations = objects = 0
    for file in pickles:
        marks = tuples = 0
        sizes = _Sizes()
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            operations += 1
            objects += name in _CALLS
            marks += (name == "MARK") - (name in _CLOSING)
            tuples = tuples + 1 if name == "TUPLE1" else tuples * (name in _PUTS)  # a tuple in a tuple in a tuple
            parts = sizes.after(name, argument)
            many = operations > MAX_OPERATIONS or parts > MAX_PARTS or objects > MAX_OBJECTS
            if many or max(marks, tuples) > MAX_DEPTH:
                raise WeightsDamagedError(
                    f"{path} is no plain checkpoint: it holds more objects ({MAX_OBJECTS}), or nests them deeper "
                    f"({MAX_DEPTH}), than weights do."
                )
            if name in _NEW_OPERATIONS:
                raise WeightsDamagedError(
                    f"{path} is written in a newer pickle protocol than torch.save uses, which is not read here. Ask its "
                    "publisher for a .safetensors file."
                )
            if name == "GLOBAL":
                names.add(_full_name(str(argument)))
    return names


class _Sizes:
    """Of how many parts what a pickle builds consists, each counted as often as it stands in it. A few bytes make a tuple of two
    tuples of two tuples and so on, which is hashed and printed for ever. Of lists and dicts, which grow later, too few are
    counted: neither is hashed."""

    def __init__(self) -> None:
        self._stack: list[int] = []
        self._marks: list[int] = []
        self._memo: dict[Any, int] = {}

    def after(self, name: str, argument: Any) -> int:
        """The parts of what the operation leaves on top. Raises: IndexError, KeyError for a broken pickle."""
        stack = self._stack
        if name in _PUTS:
            self._memo[argument] = stack[-1]
        elif name in _GETS:
            stack.append(self._memo[argument])
        elif name == "MARK":
            self._marks.append(len(stack))
        else:
            takes, slice_too, leaves = _EFFECTS[name]
            parts = 1
            if slice_too:
                start = self._marks.pop()
                parts += sum(stack[start:])
                del stack[start:]
            for _ in range(takes):
                parts += stack.pop()
            stack += [parts] * leaves
        return stack[-1] if stack else 0


def _full_name(argument: str) -> str:
    """ "module name", in Python 2's names too, as "module.name"."""
    module, _, name = argument.partition(" ")
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"
