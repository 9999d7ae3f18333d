"""Strange replies that are answers all the same: new words and fields, and fields that are missing or wrong."""

from collections.abc import Callable
from dataclasses import replace

from providers.errors import ProviderError
from providers.models import RateSlot
from tests.providers.conformance.exchanges import Exchanges, alter_fields, drop_fields, list_fields, set_fields, shorten
from tests.providers.conformance.ground import CallGround
from tests.providers.conformance.operations import Operation, Stock

Change = Callable[[bytes, frozenset[str]], bytes]


def _set_to(value: object) -> Change:
    return lambda body, names: set_fields(body, names, value)


ABSENT: dict[str, Change] = {"dropped": drop_fields, "null": _set_to(None)}
WRONG: dict[str, Change] = {
    "a word": _set_to("SOMETHING_NEW"),
    "-1": _set_to(-1),
    "a list": _set_to([]),
    "an object": _set_to({}),
}


class StrangeTests(CallGround):
    def test_unknown_words_and_new_fields_never_raise(self, operation: Operation, stock: Stock) -> None:
        self.order_fault(operation, "unknown_words", word="SOMETHING_NEW")
        self.order_fault(operation, "extra_fields")
        operation.run(self.provider, stock)

    def test_any_field_may_be_missing_or_wrong_unless_it_is_vital(
        self, operation: Operation, stock: Stock, exchanges: Exchanges
    ) -> None:
        operation.run(self.provider, stock)
        fields = list_fields(exchanges.replies[len(operation.first)].body)
        assert operation.vital | operation.identity <= set(fields)
        fatal = {
            (name, how): error
            for name in fields
            for how, change in {**ABSENT, **WRONG}.items()
            if (error := self._replay(operation, stock, exchanges, change, frozenset({name})))
        }
        excused = {(name, how) for name in operation.vital for how in ABSENT}
        excused |= {(name, how) for name in operation.vital | operation.identity for how in WRONG}
        assert {field: error for field, error in fatal.items() if field not in excused} == {}
        assert set(fatal.values()) <= {self.fail_on(operation).__name__}

    def test_without_what_is_vital_it_is_no_answer(
        self, operation: Operation, stock: Stock, exchanges: Exchanges
    ) -> None:
        operation.run(self.provider, stock)
        expected = self.fail_on(operation).__name__ if operation.vital else ""
        for change in ABSENT.values():
            assert self._replay(operation, stock, exchanges, change, operation.vital) == expected

    def test_an_answer_about_another_thing_is_no_answer(
        self, operation: Operation, stock: Stock, exchanges: Exchanges
    ) -> None:
        operation.run(self.provider, stock)
        body = shorten(exchanges.replies[len(operation.first)].body)
        told = (name for name in sorted(operation.identity) if alter_fields(body, frozenset({name})) != body)
        for name in told:
            error = self._replay(operation, stock, exchanges, alter_fields, frozenset({name}))
            assert (name, error) == (name, self.fail_on(operation).__name__)

    def test_whole_json_may_still_be_cut_off(self, operation: Operation, stock: Stock, exchanges: Exchanges) -> None:
        """More was announced than came: what came is no answer, however well it reads."""
        operation.run(self.provider, stock)
        exchanges.play(len(operation.first), lambda reply: replace(reply, complete=False))
        expected = self.fail_on(operation).__name__ if operation.reads_body else ""
        assert self._run(operation, stock) == expected

    def _replay(
        self, operation: Operation, stock: Stock, exchanges: Exchanges, change: Change, names: frozenset[str]
    ) -> str:
        """The kind of error that the operation raises when the call under test is answered so; "" for none."""
        exchanges.play(len(operation.first), lambda reply: replace(reply, body=change(shorten(reply.body), names)))
        return self._run(operation, stock)

    def _run(self, operation: Operation, stock: Stock) -> str:
        RateSlot.objects.update(used_at=None)
        run = operation.glance or operation.run
        try:
            run(self.provider, stock)
        except ProviderError as error:
            return type(error).__name__
        return ""
