"""Reading a pickle without running it: names stay names, unknown objects become stand-ins, nothing is imported.

A pickle is a program. The standard library's unpickler runs it with the classes it names; here its steps build plain
containers, numbers and texts alone, and the few functions that a format needs are those of ``admitted``.
"""

import codecs
import io
import pickletools
from collections.abc import Callable, Mapping

from shared.readers.pickle_values import Global, PickleError, StandIn, checked_key

# of a damaged or hostile pickle: a checkpoint or a data set needs far fewer
_MOST_STEPS = 500_000
# how much functions may copy, beyond what the file itself holds; one item of a list counts as many bytes
_MOST_COPIED, _ITEM_BYTES = 2**24, 16
# what Python 2 calls its modules
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_MAKERS = {"copyreg._reconstructor", "copyreg.__newobj__", "copyreg.__newobj_ex__"}

# called with what the pickle passes, so each checks its arguments
Admitted = Mapping[tuple[str, str], Callable[..., object]]


def unpickle(
    file: io.BytesIO,
    admitted: Admitted,
    persistent: Callable[[object], object] | None = None,
    python2_text: bool = False,
) -> object:
    """The next pickled value in ``file``, which is left behind it.

    ``admitted`` holds the functions it may call; ``persistent`` resolves its references to data outside. Strings of
    Python 2 come back as bytes, or as text if ``python2_text``. Objects of ``admitted`` functions take their state by
    a method ``set_state``. Raises PickleError, or any other exception where the pickle is damaged.
    """
    machine = _Machine(admitted, persistent, python2_text, _MOST_COPIED + 2 * len(file.getbuffer()))
    for _ in range(_MOST_STEPS):
        step, argument = _next_step(file)
        if step == "STOP":
            return machine.stack.pop()
        machine.do(step, argument)
    raise PickleError("has more parts than a checkpoint or a data set needs")


def _next_step(file: io.BytesIO) -> tuple[str, object]:
    opcode = pickletools.code2op.get(file.read(1).decode("latin-1"))
    if opcode is None:
        raise PickleError("is cut short or damaged")
    if opcode.name == "STRING":  # the library's reader admits ASCII alone
        quoted = file.readline().rstrip(b"\n")
        return opcode.name, codecs.escape_decode(quoted[1:-1])[0].decode("latin-1")
    return opcode.name, opcode.arg and opcode.arg.reader(file)


class _Machine:
    """The stack, the marks on it and the memo, and what each step does with them."""

    def __init__(self, admitted: Admitted, persistent: Callable | None, python2_text: bool, room: int) -> None:
        self.stack: list = []
        self._below: list[list] = []
        self._memo: dict[int, object] = {}
        self._admitted, self._persistent, self._python2_text, self._room = admitted, persistent, python2_text, room

    def do(self, step: str, argument: object) -> None:
        if step in _VALUES:
            self.stack.append(_VALUES[step](argument))
        elif step in _STEPS:
            _STEPS[step](self, argument)
        else:
            raise PickleError(f"holds what no checkpoint and no data set needs ({step})")

    def _pop(self, count: int) -> list:
        if count > len(self.stack):
            raise PickleError("is damaged")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _pop_to_mark(self) -> list:
        items, self.stack = self.stack, self._below.pop()
        return items

    def _mark(self, _: object) -> None:
        self._below.append(self.stack)
        self.stack = []

    def _drop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._pop_to_mark()

    def _string(self, text: str) -> None:
        self.stack.append(text if self._python2_text else text.encode("latin-1"))

    def _tuple(self, size: int | None) -> None:
        items = self._pop_to_mark() if size is None else self._pop(size)
        self.stack.append(tuple(items))

    def _list(self, _: object) -> None:
        items = self._pop_to_mark()
        self.stack.append(items)

    def _dict(self, _: object) -> None:
        items = self._pop_to_mark()
        self.stack.append({})
        self._set(items)

    def _set(self, items: list) -> None:
        target = self.stack[-1].items if isinstance(self.stack[-1], StandIn) else self.stack[-1]
        if not isinstance(target, dict):
            raise PickleError("sets items of what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value

    def _append(self, items: list) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)
        elif not isinstance(self.stack[-1], StandIn):
            raise PickleError("appends to what is no list")

    def _frozen(self, _: object) -> None:
        self._pop_to_mark()
        self.stack.append(StandIn("builtins.frozenset"))

    def _put(self, slot: int) -> None:
        self._memo[slot] = self.stack[-1]

    def _get(self, slot: int) -> None:
        self.stack.append(self._memo[slot])

    def _name(self, pair: str) -> None:
        self.stack.append(_global(*pair.split(" ", 1)))

    def _name_on_stack(self, _: object) -> None:
        self.stack.append(_global(*self._pop(2)))

    def _call(self, kind: object, arguments: object) -> None:
        if not isinstance(kind, (Global, StandIn)) or not isinstance(arguments, tuple):
            raise PickleError("calls what is no function")
        function = self._admitted.get((kind.module, kind.name)) if isinstance(kind, Global) else None
        if function:
            self._take_room(arguments)
            self.stack.append(function(*arguments))
            return
        name = str(kind)
        if name in _MAKERS and arguments and isinstance(arguments[0], Global):
            name = str(arguments[0])
        self.stack.append(StandIn(name))

    def _take_room(self, arguments: tuple) -> None:
        """A few bytes can have one large value copied again and again."""
        self._room -= sum(len(item) for item in arguments if isinstance(item, (str, bytes)))
        self._room -= sum(_ITEM_BYTES * len(item) for item in arguments if isinstance(item, (list, tuple)))
        if self._room < 0:
            raise PickleError("makes far more of its parts than it holds")

    def _reduce(self, _: object) -> None:
        self._call(*self._pop(2))

    def _new_with_keywords(self, _: object) -> None:
        kind, arguments, _ = self._pop(3)
        self._call(kind, arguments)

    def _object(self, _: object) -> None:
        kind, *arguments = self._pop_to_mark()
        self._call(kind, tuple(arguments))

    def _instance(self, pair: str) -> None:
        self._call(_global(*pair.split(" ", 1)), tuple(self._pop_to_mark()))

    def _build(self, _: object) -> None:
        [state] = self._pop(1)
        target = self.stack[-1]
        if isinstance(target, StandIn):
            target.state = state
        elif hasattr(target, "set_state"):
            target.set_state(state)
        elif not isinstance(target, dict):  # an OrderedDict's attributes are of no use here
            raise PickleError("sets attributes of what may only be named")

    def _refer(self, pid: object) -> None:
        if self._persistent is None:
            raise PickleError("refers to data outside itself")
        self.stack.append(self._persistent(pid))


def _global(module: object, name: object) -> Global:
    if not (isinstance(module, str) and isinstance(name, str)):
        raise PickleError("names a class by what is no text")
    return Global(_RENAMED.get(module, module), name)


def _nothing(*_: object) -> None:
    """The announcements of a protocol and of a frame."""


_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_VALUES: dict[str, Callable[[object], object]] = {
    **dict.fromkeys(_NUMBERS + _TEXTS, lambda value: value),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "BYTEARRAY8": bytes,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "EMPTY_TUPLE": lambda _: (),
    # a set's items are not needed, and hashing them is not safe
    "EMPTY_SET": lambda _: StandIn("builtins.set"),
}

_STEPS: dict[str, Callable[[_Machine, object], None]] = {
    **dict.fromkeys(["PROTO", "FRAME"], _nothing),
    **dict.fromkeys(["STRING", "BINSTRING", "SHORT_BINSTRING"], _Machine._string),
    "MARK": _Machine._mark,
    "POP": _Machine._drop,
    "POP_MARK": lambda machine, _: machine._pop_to_mark() and None,
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "TUPLE": lambda machine, _: machine._tuple(None),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "LIST": _Machine._list,
    "APPEND": lambda machine, _: machine._append(machine._pop(1)),
    "APPENDS": lambda machine, _: machine._append(machine._pop_to_mark()),
    "DICT": _Machine._dict,
    "SETITEM": lambda machine, _: machine._set(machine._pop(2)),
    "SETITEMS": lambda machine, _: machine._set(machine._pop_to_mark()),
    "ADDITEMS": lambda machine, _: machine._append(machine._pop_to_mark()),
    "FROZENSET": _Machine._frozen,
    **dict.fromkeys(["PUT", "BINPUT", "LONG_BINPUT"], _Machine._put),
    "MEMOIZE": lambda machine, _: machine._put(len(machine._memo)),
    **dict.fromkeys(["GET", "BINGET", "LONG_BINGET"], _Machine._get),
    "GLOBAL": _Machine._name,
    "STACK_GLOBAL": _Machine._name_on_stack,
    **dict.fromkeys(["REDUCE", "NEWOBJ"], _Machine._reduce),
    "NEWOBJ_EX": _Machine._new_with_keywords,
    "OBJ": _Machine._object,
    "INST": _Machine._instance,
    "BUILD": _Machine._build,
    "PERSID": _Machine._refer,
    "BINPERSID": lambda machine, _: machine._refer(*machine._pop(1)),
}
