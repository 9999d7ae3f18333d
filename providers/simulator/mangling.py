"""Faults inside the body: what a broken or a newer provider would send instead."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.simulator.faults import Fault
from providers.simulator.messages import Reply, json_reply

_HTML = b"""<!DOCTYPE html>
<html><head><title>Maintenance</title></head><body><h1>Please come back later</h1></body></html>
"""


def mangle_reply(reply: Reply, faults: list[Fault], status_words: Sequence[str]) -> Reply:
    """Apply the body faults: first those that keep it JSON, then those that break or replace it.

    `status_words`: the provider's fields that `unknown_words` changes when it names none.
    """
    for fault in faults:
        if fault.kind in _JSON:
            named = fault.params.get("fields") is not None or fault.kind != "unknown_words"
            params = fault.params if named else {**fault.params, "fields": list(status_words)}
            reply = _mangle_json(reply, fault.kind, params)
    for fault in faults:
        if fault.kind in _WHOLE:
            reply = _WHOLE[fault.kind](reply, fault.params)
    return reply


def _mangle_json(reply: Reply, kind: str, params: Mapping[str, Any]) -> Reply:
    changed = _JSON[kind](json.loads(reply.body), params)
    return replace(json_reply(reply.status, changed), headers=reply.headers)


def _break_json(reply: Reply, params: Mapping[str, Any]) -> Reply:
    # Ends in the middle of a token, yet Content-Length agrees: only a parser can notice.
    return replace(reply, body=reply.body[: max(1, len(reply.body) * 2 // 3)] + b'"\\u12')


def _replace_body(reply: Reply, params: Mapping[str, Any]) -> Reply:
    body = params["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    return replace(reply, body=text.encode(), content_type=str(params["content_type"]), status=int(params["status"]))


def _empty_body(reply: Reply, params: Mapping[str, Any]) -> Reply:
    return replace(reply, body=b"")


def _html_body(reply: Reply, params: Mapping[str, Any]) -> Reply:
    return replace(reply, body=_HTML, content_type="text/html; charset=utf-8", status=int(params["status"]))


def _walk(node: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(node, list):
        return [_walk(item, change) for item in node]
    if isinstance(node, dict):
        return change({name: _walk(value, change) for name, value in node.items()})
    return node


def _set_fields(document: Any, params: Mapping[str, Any]) -> Any:
    values: dict[str, Any] = params["values"]
    return _walk(document, lambda node: {name: values.get(name, value) for name, value in node.items()})


def _unknown_words(document: Any, params: Mapping[str, Any]) -> Any:
    return _set_fields(document, {"values": dict.fromkeys(params["fields"], params["word"])})


def _null_fields(document: Any, params: Mapping[str, Any]) -> Any:
    return _set_fields(document, {"values": dict.fromkeys(params["fields"])})


def _drop_fields(document: Any, params: Mapping[str, Any]) -> Any:
    dropped = set(params["fields"])
    return _walk(document, lambda node: {name: value for name, value in node.items() if name not in dropped})


def _extra_fields(document: Any, params: Mapping[str, Any]) -> Any:
    # An empty object says "nothing" (no further page): it stays empty.
    return _walk(document, lambda node: {**node, **params["values"]} if node else node)


def _duplicate_item(document: Any, params: Mapping[str, Any]) -> Any:
    """One element of the outermost list twice: one item too many, as after a shifted page."""
    if isinstance(document, list) and document:
        return [*document, document[int(params["index"]) % len(document)]]
    if not isinstance(document, dict):
        return document
    for kind in (list, dict):
        for name, value in document.items():
            if isinstance(value, kind) and value:
                return {**document, name: _duplicate_item(value, params)}
    return document


def _wrong_total(document: Any, params: Mapping[str, Any]) -> Any:
    delta = int(params["delta"])
    return _walk(
        document, lambda node: {**node, "total": node["total"] + delta} if isinstance(node.get("total"), int) else node
    )


_WHOLE: Mapping[str, Callable[[Reply, Mapping[str, Any]], Reply]] = {
    "wrong_json": _break_json,
    "replace_body": _replace_body,
    "empty_body": _empty_body,
    "html_body": _html_body,
}
_JSON: Mapping[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "unknown_words": _unknown_words,
    "set_fields": _set_fields,
    "null_fields": _null_fields,
    "drop_fields": _drop_fields,
    "extra_fields": _extra_fields,
    "duplicate_item": _duplicate_item,
    "wrong_total": _wrong_total,
}
