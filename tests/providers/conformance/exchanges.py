"""The HTTP seam, watched: what really went over the wire, and the same reply played back with changes."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from providers import wire

_REAL = wire.exchange
#: More calls than any operation of a suite makes.
_LONGEST = 100
_NEXT_DIGIT = str.maketrans("0123456789", "1234567890")


class Exchanges:
    """Stands in for ``wire.exchange``: passes calls on and keeps them; with ``play`` it answers by itself."""

    def __init__(self) -> None:
        self.text = ""
        self.replies: list[wire.WireReply] = []
        self._change: Callable[[int, wire.WireReply], wire.WireReply] | None = None
        self._position = 0

    def exchange(self, **call: Any) -> wire.WireReply:
        if self._change is not None:
            position, self._position = self._position, self._position + 1
            assert position < _LONGEST, "it asks for ever"
            return self._change(position, self.replies[min(position, len(self.replies) - 1)])
        reply = _REAL(**call)
        self.text += f"{call['address']} {call['body'].decode(errors='replace')} {reply.body.decode(errors='replace')}"
        self.replies.append(reply)
        return reply

    def play(self, number: int, change: Callable[[wire.WireReply], wire.WireReply]) -> None:
        """From now on the kept replies, from the first on (the last one for all later); one of them is changed."""
        self._change = lambda position, reply: change(reply) if position == number else reply
        self._position = 0


def list_fields(body: bytes) -> list[str]:
    """The names of all fields of a JSON document, at any depth, in their order."""
    return list(dict.fromkeys(_walk_names(json.loads(body))))


def _walk_names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield name
            yield from _walk_names(value)
    elif isinstance(node, list):
        for item in node:
            yield from _walk_names(item)


def set_fields(body: bytes, names: frozenset[str], value: object) -> bytes:
    """The document with these fields, at any depth, set to a value."""

    def change(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: value if name in names else change(item) for name, item in node.items()}
        return [change(item) for item in node] if isinstance(node, list) else node

    return json.dumps(change(json.loads(body))).encode()


def drop_fields(body: bytes, names: frozenset[str]) -> bytes:
    """The document without these fields, at any depth."""

    def change(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: change(item) for name, item in node.items() if name not in names}
        return [change(item) for item in node] if isinstance(node, list) else node

    return json.dumps(change(json.loads(body))).encode()


def shorten(body: bytes) -> bytes:
    """The document with at most two elements in each list: what holds for them holds for hundreds."""

    def change(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: change(item) for name, item in node.items()}
        return [change(item) for item in node[:2]] if isinstance(node, list) else node

    return json.dumps(change(json.loads(body))).encode()


def alter_fields(body: bytes, names: frozenset[str]) -> bytes:
    """The document with other digits in these fields: as well-formed as before, and about something else."""

    def alter(value: Any) -> Any:
        if isinstance(value, str):
            return value.translate(_NEXT_DIGIT)
        return value + 1 if isinstance(value, int) else value

    def change(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: alter(item) if name in names else change(item) for name, item in node.items()}
        return [change(item) for item in node] if isinstance(node, list) else node

    return json.dumps(change(json.loads(body))).encode()
