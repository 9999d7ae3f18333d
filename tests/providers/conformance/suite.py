"""The suite itself: all tests of all error classes, for one account."""

import pytest

from tests.providers.conformance.answers import Answer
from tests.providers.conformance.declared import DeclaredTests
from tests.providers.conformance.lost import LostTests
from tests.providers.conformance.operations import Operation
from tests.providers.conformance.refused import RefusedTests
from tests.providers.conformance.sending import SendingTests
from tests.providers.conformance.strange import StrangeTests
from tests.providers.conformance.webhooks import WebhookConformance

#: A test's argument -> where the suite, or the operation, has its values.
_ANSWERS = {"refusal": "refusals", "wrong_credentials": "wrong_credentials", "rate_limit": "rate_limits"}


@pytest.mark.django_db
class ProviderConformance(SendingTests, RefusedTests, LostTests, StrangeTests, DeclaredTests):
    """Subclass it as ``Test…``, one per account, in ``tests/providers/test_conformance_<adapter>.py``."""

    @classmethod
    def find_answers(cls, operation: Operation, attribute: str) -> tuple[Answer, ...]:
        """The operation's own answers of a kind, or the suite's."""
        own: tuple[Answer, ...] | None = getattr(operation, attribute)
        return getattr(cls, attribute) if own is None else own


def parametrize(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``operation`` runs once for each of its suite's, and once for each answer that it takes too.

    One that takes ``delivery`` runs once for each delivery of its suite.
    """
    if (
        metafunc.cls is not None
        and "delivery" in metafunc.fixturenames
        and issubclass(metafunc.cls, WebhookConformance)
    ):
        metafunc.parametrize("delivery", metafunc.cls.deliveries, ids=str)
    if metafunc.cls is None or "operation" not in metafunc.fixturenames:
        return
    suite: type[ProviderConformance] = metafunc.cls
    argument = next((name for name in _ANSWERS if name in metafunc.fixturenames), None)
    if argument is None:
        metafunc.parametrize("operation", suite.operations, ids=str)
        return
    pairs = [
        (operation, answer)
        for operation in suite.operations
        for answer in suite.find_answers(operation, _ANSWERS[argument])
    ]
    ids = [f"{operation}-{answer}" for operation, answer in pairs]
    metafunc.parametrize(("operation", argument), pairs, ids=ids)
