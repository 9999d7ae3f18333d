"""Deliveries: who may bring one, what tells it from its repetition, what it names. No call is made for any of it."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from providers import registry
from providers.errors import NotOffered, WebhookRefused
from providers.models import ProviderCall
from providers.reading import UnreadableError
from providers.types import IncomingWebhook, WebhookHint, WebhookKind
from tests.providers.conformance.exchanges import drop_fields, list_fields, set_fields
from tests.providers.conformance.ground import Configure, Ground
from tests.simulator_client import Simulator

#: JSON of a shape that nobody knows.
SHAPES = (b"{}", b"[]", b"null", b"17", b'"text"', b'{"news": {"of": ["a", "kind"]}}')
NO_JSON = (b"", b"\xff\xfe", b"<html></html>", b'{"cut": "of', b"key=value")
WRONG_VALUES: tuple[object, ...] = (None, -1, "SOMETHING_NEW", "", [], {}, [None], 10**30, "\x00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery as the provider's document prints it (or as it was seen), and what it names."""

    body: bytes
    hints: tuple[WebhookHint, ...]

    def __str__(self) -> str:
        return self.hints[0].word or self.hints[0].kind.value


@pytest.mark.django_db
class WebhookConformance(Ground):
    """Subclass it as ``Test…`` for every account that offers webhooks."""

    deliveries: ClassVar[tuple[Delivery, ...]]
    #: Settings under which nobody can prove anything: then nobody is believed.
    without_secret: ClassVar[Mapping[str, Any]]

    @abstractmethod
    def sign(self, body: bytes) -> IncomingWebhook:
        """The body as the provider would deliver it, with everything that proves its sender."""

    @abstractmethod
    def forge(self, body: bytes) -> Mapping[str, IncomingWebhook]:
        """The same from somebody else, by what is wrong: a wrong secret, none, an empty one, another address, …"""

    @pytest.fixture(autouse=True)
    def account_on(self, simulator: Simulator, configure: Configure) -> None:
        self.switch_on(configure, simulator)
        registry.ensure_accounts()

    # -- the sender ---------------------------------------------------------------------------------------------------

    def test_the_provider_itself_is_believed(self, delivery: Delivery) -> None:
        self.provider.authenticate_webhook(self.sign(delivery.body))
        assert not ProviderCall.objects.exists()

    def test_somebody_else_is_not(self, delivery: Delivery) -> None:
        forged = self.forge(delivery.body)
        assert len(forged) >= 2
        secret = self.sign(delivery.body).path_secret
        for wrong, webhook in forged.items():
            with pytest.raises(WebhookRefused) as caught:
                self.provider.authenticate_webhook(webhook)
            assert caught.value.account == self.account, wrong
            assert not secret or secret not in caught.value.message
        assert not ProviderCall.objects.exists()

    def test_without_a_secret_nobody_is_believed(
        self, delivery: Delivery, simulator: Simulator, configure: Configure
    ) -> None:
        self.switch_on(configure, simulator, **self.without_secret)
        for webhook in (self.sign(delivery.body), *self.forge(delivery.body).values()):
            with pytest.raises((WebhookRefused, NotOffered)):
                self.provider.authenticate_webhook(webhook)

    # -- the key ------------------------------------------------------------------------------------------------------

    def test_a_repetition_has_the_same_key_and_another_delivery_another(self) -> None:
        provider = self.provider
        keys = [provider.read_webhook_key(delivery.body) for delivery in self.deliveries]
        assert keys == [provider.read_webhook_key(delivery.body) for delivery in self.deliveries]
        assert len(set(keys)) == len(keys)
        assert all(keys)

    def test_whatever_comes_has_a_key(self) -> None:
        bodies = (*SHAPES, *NO_JSON)
        keys = [self.provider.read_webhook_key(body) for body in bodies]
        assert all(keys)
        assert len(set(keys)) == len(bodies)

    # -- the content --------------------------------------------------------------------------------------------------

    def test_a_known_delivery_is_read(self, delivery: Delivery) -> None:
        assert self.provider.read_webhook(delivery.body) == delivery.hints
        assert not ProviderCall.objects.exists()

    @pytest.mark.parametrize("body", NO_JSON)
    def test_what_is_no_json_is_unreadable(self, body: bytes) -> None:
        with pytest.raises(UnreadableError):
            self.provider.read_webhook(body)

    @pytest.mark.parametrize("body", SHAPES)
    def test_a_shape_that_nobody_knows_is_kept_as_unknown(self, body: bytes) -> None:
        hints = self.provider.read_webhook(body)
        assert {hint.kind for hint in hints} == {WebhookKind.UNKNOWN}

    def test_no_field_can_break_it(self, delivery: Delivery) -> None:
        for name in list_fields(delivery.body):
            only = frozenset({name})
            changed = [set_fields(delivery.body, only, value) for value in WRONG_VALUES]
            for body in (drop_fields(delivery.body, only), *changed):
                assert self.provider.read_webhook(body)
                assert self.provider.read_webhook_key(body)

    def test_new_fields_change_nothing(self, delivery: Delivery) -> None:
        document = json.loads(delivery.body)
        if isinstance(document, dict):
            more = json.dumps({**document, "newField": {"nested": [1, None, "x"]}}).encode()
            assert self.provider.read_webhook(more) == delivery.hints
