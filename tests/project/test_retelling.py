"""Every English sentence that our code stores is one that pages retell: found in the code, not in a list of them.

Found is each text that is no single word and not translated where it is written, and each that goes to a place which is
named for a stored reason: an argument, a field, a variable, a key. An example stands in it for each value.
"""

import ast
from collections.abc import Iterator

import pytest
from django.utils.translation import gettext

from config import retelling
from config.retelling import SENTENCES, retell
from tests.project.sources import find_files, name

EXAMPLE = "7"
#: What a place is called where a reason is stored.
STORED = frozenset({"why", "what", "error", "attention", "note", "said", "word", "reason"})
#: Who translates, reports a fault of our program, or writes no sentence.
NOT_STORING = frozenset(
    {
        *("_", "gettext", "gettext_lazy", "ngettext", "pgettext_lazy"),
        *("ValueError", "AssertionError", "RuntimeError", "TransitionRefused", "TransactionManagementError"),
        *("EventRefused", "compile", "cast"),
    }
)
#: Who speaks to one reader, or to the office's own machine.
FACES = (
    *(
        "orders/views/",
        "orders/api/",
        "orders/selectors/",
        "orders/management/",
        "orders/migrations/",
        "orders/models/",
    ),
    *(
        "orders/forms",
        "orders/notice_words.py",
        "orders/notice_staff.py",
        "orders/admin.py",
        "orders/wording.py",
        "orders/checks.py",
    ),
    *("orders/way_back.py", "orders/schedules.py", "orders/pruning.py", "orders/csv_files.py"),
    # What stands beside a row of a bulk run is in the language of who asked for it.
    *("orders/list_pages.py", "orders/list_files.py", "orders/bulk.py"),
)
#: Parts that another sentence is made of, and what is looked for in one; a fault that a form shows in its own way; the
#: name that stands in the books for somebody whose own was erased.
PARTS = frozenset(
    {
        *("7: 7", "The provider refused (7)7", " in 7, line 7", "read again", "7 problems, 7 corrections"),
        *("requested_by_customer", "Erased customer 7"),
        *("the provider does not know the transaction", "the provider does not look for our key"),
        *("the provider does not tell of the line", "the provider refuses to tell"),
        *("nothing is bought yet.", "or give the money back."),
    }
)


def find_texts(node: ast.AST, *, is_stored: bool = False) -> Iterator[tuple[int, str]]:
    """Line and text of what may be stored below a node of the code."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        text = _read(node)
        if text.strip() and (is_stored or _is_sentence(text)):
            yield node.lineno, text
        return
    if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in NOT_STORING:
        return
    for part, stored in _list_parts(node):
        # The condition of a choice, or the arguments of a call, are not what is stored.
        inherits = is_stored and isinstance(node, ast.IfExp | ast.BoolOp) and part is not getattr(node, "test", None)
        yield from find_texts(part, is_stored=stored or inherits)


def _list_parts(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """The parts of a node, and whether each goes to a place where a reason is stored."""
    match node:
        case ast.keyword(arg=word, value=value):
            yield value, word in STORED
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            yield from ((value, _name(one) in STORED) for one, value in zip(targets, values, strict=True))
        case ast.Assign(targets=[target], value=value):
            yield value, _name(target) in STORED
        case ast.Dict(keys=keys, values=values):
            words = [key.value if isinstance(key, ast.Constant) else "" for key in keys]
            yield from ((value, word in STORED) for word, value in zip(words, values, strict=True))
        case ast.Module() | ast.ClassDef() | ast.FunctionDef():
            has_docstring = ast.get_docstring(node) is not None
            yield from ((part, False) for part in node.body[1 if has_docstring else 0 :])
            if isinstance(node, ast.FunctionDef):
                yield node.args, False
        case ast.arguments(kwonlyargs=words, kw_defaults=values):
            pairs = zip(words, values, strict=True)
            yield from ((value, word.arg in STORED) for word, value in pairs if value is not None)
        case _:
            yield from ((part, False) for part in ast.iter_child_nodes(node))


def _name(node: ast.AST) -> str:
    return str(getattr(node, "id", getattr(node, "attr", "")))


def _read(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else EXAMPLE for part in parts)
        case _:
            return ""


def _is_sentence(text: str) -> bool:
    words = text.split()
    return sum(word.strip(".,:;()").isalpha() for word in words) > 1 and "\n" not in text


def is_retold(text: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """As in a language into which everything is translated."""
    known = {*SENTENCES, "%(sentence)s (%(code)s)", "%(place)s %(fault)s", "%(first)s; %(rest)s"}
    with monkeypatch.context() as patch:
        patch.setattr(retelling, "get_language", lambda: "ja")
        patch.setattr(retelling, "gettext", lambda one: f"*{one}" if one in known else gettext(one))
        return retell(text) != text


def test_every_sentence_that_is_stored_is_retold(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: list[str] = []
    for path in find_files("orders", endings=(".py",)):
        if name(path).startswith(FACES):
            continue
        found = sorted(set(find_texts(ast.parse(path.read_text()))))
        missing += [
            f"{name(path)}:{line} {text}"
            for line, text in found
            if text not in PARTS and not is_retold(text, monkeypatch)
        ]
    assert missing == []


def test_a_sentence_is_found_wherever_it_is_stored() -> None:
    code = """
def lose(row, number, *, why="given up"):
    \"\"\"No sentence that is stored.\"\"\"
    row.error, row.state = f"lost {number} times", "lost"
    note_event(row, kind="x", why="gone" if number else "paid")
    raise NotDone("Nobody was there", code="not_there") from ValueError("no such row")
    return _("Choose how the customer paid.")
"""
    assert list(find_texts(ast.parse(code))) == [
        (4, "lost 7 times"),
        (5, "gone"),
        (5, "paid"),
        (6, "Nobody was there"),
        (2, "given up"),
    ]
