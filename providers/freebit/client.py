"""freebit, PA05-41 "eSIM Account Activation": lines opened for a device's EID. See ``docs/providers/freebit.md``."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

from django.conf import settings
from django.utils import timezone

from providers import transport
from providers.activation_form import ActivationRules
from providers.base import Provider
from providers.errors import Mend, ProviderError, Rejected
from providers.freebit import results
from providers.freebit.checking import check_activation, flatten_document
from providers.freebit.completion import read_completion_file
from providers.freebit.config import FreebitConfig
from providers.freebit.form import FreebitRules
from providers.freebit.lines import make_line
from providers.freebit.rules import RESULT_CODES
from providers.reading import UnreadableError
from providers.tokens import IssuedToken, SharedToken, write_with_token
from providers.types import (
    ActivationRequest,
    Capability,
    CompletionFile,
    CompletionRow,
    LineSnapshot,
    OrderOutcome,
    ProviderReply,
    RateBudget,
)

#: OURS: how long an authentication waits for the rate budget, in seconds. An activation is told to come back.
_PATIENCE = 4.0
_LONGEST_KEY = 1000


class FreebitProvider(Provider):
    """One asynchronous call without an idempotency key: "OK" means accepted, and the outcome comes in a CSV file.

    An activation is sent once and never again by itself.
    """

    adapter = "freebit"
    required_settings = ("url", "oem_id", "oem_key")
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LINE_ACTIVATION})
    line_reference_name = "EID:deliveryCode"
    line_reference_pattern = r"[0-9]{32}:[0-9A-Za-z]{1,10}"

    def __init__(self, account: str, config: FreebitConfig) -> None:
        super().__init__(account)
        self.config = config
        # One activation may be two activations and two authentications long (a key that is refused).
        longest = timedelta(seconds=4 * settings.HTTP_CONNECT_TIMEOUT + 8 * settings.HTTP_READ_TIMEOUT)
        self.order_deadline = max(timedelta(minutes=5), longest + timedelta(minutes=1))

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        return cls(account, FreebitConfig.from_settings(account, values))

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return self.config.budgets

    # -- the authentication key -------------------------------------------------------------------------------------

    def _check(self) -> None:
        """There is nothing to read at freebit: a new key is the proof, and it is kept."""
        self._key.renew()

    @property
    def _key(self) -> SharedToken:
        config = self.config
        contract = (config.url, config.paths["auth"], config.oem_id, config.oem_key)
        return SharedToken(account=self.account, issued_for=contract, issue=self._authenticate)

    def _authenticate(self) -> IssuedToken:
        """A new authentication key. It changes nothing at freebit, so it is a read."""

        def judge(reply: ProviderReply) -> ProviderError | None:
            return results.judge_authentication(reply, account=self.account, busy_wait=self.config.busy_wait)

        def parse(reply: ProviderReply) -> IssuedToken:
            answer = results.read_answer(reply)
            told = answer.document.get("authKey") if answer else None
            key = told.strip() if isinstance(told, str) else ""
            if not 1 <= len(key) <= _LONGEST_KEY:
                raise UnreadableError("it has no authKey")
            return IssuedToken(value=key, expires_at=timezone.now() + self.config.key_life)

        document = {"oemId": self.config.oem_id, "oemKey": self.config.oem_key}
        return transport.read(self._make_call("auth", document, is_write=False), judge=judge, parse=parse)

    # -- activations ------------------------------------------------------------------------------------------------

    def _send_activation(self, request: ActivationRequest) -> ProviderReply:
        """Checked by the document's rules first: what is sure to be refused is not sent (``Rejected``)."""
        document = self._build_document(request)

        def send(key: str) -> ProviderReply:
            call = self._make_call("activate", {"authKey": key, **document}, is_write=True)
            return transport.send_write(call, judge=self._judge_activation)

        # A refused key says that nothing was done: the only reason to send an activation a second time.
        return write_with_token(self._key, "activate", send, results.is_key_refused)

    def _build_document(self, request: ActivationRequest) -> Mapping[str, Any]:
        """The JSON document without its key. ``payload`` is such a document, or values by name (``mnp.gender``)."""
        handles = {"eid": request.eid, "deliveryCode": request.delivery_code}
        values = flatten_document(request.payload)
        for name, handle in handles.items():
            if values.setdefault(name, handle) != handle:
                raise self._refuse_to_send("The form and the request name different lines", "handles", name)
        checked = check_activation(values, contract=self.config.contract, now=timezone.now())
        if checked.problems:
            first = checked.problems[0]
            # In our own words: the problem's may quote a name.
            raise self._refuse_to_send(str(RESULT_CODES[first.code].meaning), first.code, first.field)
        return checked.document

    def _refuse_to_send(self, message: str, code: str, field: str) -> Rejected:
        return Rejected(
            f"Not sent: {message}",
            code=code,
            operation="activate",
            account=self.account,
            field=field or None,
            mend=Mend.DATA,
        )

    def _judge_activation(self, reply: ProviderReply) -> ProviderError | None:
        return results.judge_activation(reply, account=self.account, busy_wait=self.config.busy_wait)

    def _read_activation_reply(self, reply: ProviderReply, request: ActivationRequest) -> OrderOutcome:
        """Pure. Accepted is not activated: nothing is final before the file says so."""
        error = self._judge_activation(reply)
        if error:
            raise error
        return OrderOutcome(transaction_id="", order_ref=request.delivery_code, lines=(), final=False)

    def _read_completions(self, data: bytes) -> CompletionFile:
        return read_completion_file(data, form=self.config.completion, account=self.account)

    def _build_completed_line(
        self, row: CompletionRow, eid: str, delivery_code: str, seen_at: datetime
    ) -> LineSnapshot:
        return make_line(row, eid=eid, delivery_code=delivery_code, seen_at=seen_at)

    def _make_activation_rules(self) -> ActivationRules:
        return FreebitRules(self.config.contract)

    # -- shared -----------------------------------------------------------------------------------------------------

    def _make_call(self, name: str, document: Mapping[str, Any], *, is_write: bool) -> transport.OutboundCall:
        """A POST with the JSON text in the form field ``json``, URL-encoded as UTF-8; never multipart."""
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        return transport.OutboundCall(
            account=self.account,
            operation=name,
            method="POST",
            url=self.config.url + self.config.paths[name],
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            is_write=is_write,
            body=urlencode({"json": text}).encode("ascii"),
            budget=self.budgets.get(name),
            patience=0.0 if is_write else _PATIENCE,
        )
