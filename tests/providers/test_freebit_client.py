"""freebit's client: what goes out, what each answer means, and that an activation is sent once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from providers import registry
from providers.base import Provider
from providers.checks import check_accounts
from providers.errors import Mend, NotSent, OutcomeUnknown, ProviderError, RateLimited, Rejected, Unavailable
from providers.freebit.config import FreebitConfig
from providers.models import ProviderAccount, ProviderCall, ProviderToken
from providers.transport import OutboundCall
from providers.types import Capability, CompletionRow, LineState, OrderOutcome
from tests.providers.freebit_calls import (
    ACCEPTED,
    AUTHENTICATED,
    CODE,
    EID,
    KEY,
    NEW,
    OEM_ID,
    OEM_KEY,
    SIGNED_IN,
    TRANSFER,
    envelope,
    make_client,
    make_request,
    read_document,
    read_request,
    reply_of,
    sign_in,
)
from tests.providers.scripted import Script, ScriptedServer, answer, scripted
from tests.simulator_client import Simulator
from tests.simulator_freebit import OEM_ID as SIMULATED_ID
from tests.simulator_freebit import OEM_KEY as SIMULATED_KEY
from tests.simulator_freebit import Freebit

Configure = Callable[..., None]
pytestmark = pytest.mark.django_db
UMS = {"uses_ums": True}


@contextmanager
def freebit(
    configure: Configure, *scripts: Script | bytes, **settings: Any
) -> Iterator[tuple[Provider, ScriptedServer]]:
    """The provider, with a server that plays these replies."""
    with scripted(*scripts) as server:
        configure("freebit", url=f"{server.url}/prefix", oem_id=OEM_ID, oem_key=OEM_KEY, **settings)
        registry.ensure_accounts()
        yield registry.get_provider("freebit"), server


# -- what goes out ----------------------------------------------------------------------------------------------------


def test_an_activation_on_the_wire(configure: Configure) -> None:
    with freebit(configure, SIGNED_IN, answer(ACCEPTED), **UMS) as (provider, server):
        provider.send_activation(make_request(TRANSFER))
        auth, activation = server.requests
    line, headers, body = read_request(auth)
    assert line == "POST /prefix/emptool/api/authOem/ HTTP/1.1"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert body == urlencode({"json": f'{{"oemId":"{OEM_ID}","oemKey":"{OEM_KEY}"}}'}).encode()
    line, headers, body = read_request(activation)
    assert line == "POST /prefix/emptool/api/mvno/esim/addAcnt/ HTTP/1.1"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["content-length"] == str(len(body))
    text = (
        f'{{"authKey":"{KEY}","masterAccount":"desk@example.org","masterPassword":"a+b&c=d%41","createType":"new",'
        f'"eid":"{EID}","account":"08011112222","simKind":"E0","contractLine":"5G","addKind":"M",'
        '"mnp":{"reserveNumber":"1101201234","lastnameKanji":"山田","firstnameKanji":"太郎","lastnameZenKana":"ヤマダ",'
        '"firstnameZenKana":"タロウ","gender":"M","birthday":"19900101"},'
        f'"planCode":"100K_PLAN","deliveryCode":"{CODE}"}}'
    )
    assert body == urlencode({"json": text}).encode()


def test_values_by_name_are_sent_as_the_same_document(configure: Configure) -> None:
    mnp = cast(dict[str, str], TRANSFER["mnp"])
    flat = {name: value for name, value in TRANSFER.items() if name != "mnp"}
    flat |= {f"mnp.{name}": value for name, value in mnp.items()}
    with freebit(configure, SIGNED_IN, answer(ACCEPTED), **UMS) as (provider, server):
        provider.send_activation(make_request(TRANSFER))
        provider.send_activation(make_request(flat))
        assert read_request(server.requests[1])[2] == read_request(server.requests[2])[2]


def test_paths_by_setting(configure: Configure) -> None:
    paths = {"auth": "/a/", "activate": "/b"}
    with freebit(configure, SIGNED_IN, answer(ACCEPTED), paths=paths) as (provider, server):
        provider.send_activation(make_request())
        assert [read_request(request)[0] for request in server.requests] == [
            "POST /prefix/a/ HTTP/1.1",
            "POST /prefix/b HTTP/1.1",
        ]


def test_accepted_is_not_activated(configure: Configure) -> None:
    request = make_request()
    with freebit(configure, SIGNED_IN, answer(ACCEPTED)) as (provider, _server):
        outcome = provider.read_activation_reply(provider.send_activation(request), request)
    assert outcome == OrderOutcome(transaction_id="", order_ref=CODE, lines=(), final=False)


def test_nothing_personal_and_no_key_is_in_the_log_or_in_reprs(configure: Configure) -> None:
    request = make_request(TRANSFER)
    with freebit(configure, SIGNED_IN, answer(ACCEPTED), **UMS) as (provider, server):
        provider.send_activation(request)
        sent = b"".join(server.requests).decode()
    rows = list(ProviderCall.objects.order_by("pk"))
    assert [(row.operation, row.request, row.outcome) for row in rows] == [
        ("auth", "json=[redacted]", "ok"),
        ("activate", "json=[redacted]", "ok"),
    ]
    assert json.loads(rows[0].reply) == {"resultCode": "100", "authKey": "[redacted]"}
    call = OutboundCall(
        account="freebit", operation="activate", method="POST", url="x", headers={}, is_write=True, body=sent.encode()
    )
    shown = f"{request!r} {provider.config!r} {call!r} {reply_of(AUTHENTICATED)!r}"  # type: ignore[attr-defined]
    secrets = (EID, KEY, OEM_ID, OEM_KEY, "08011112222", "山田", "%E5%B1%B1", "19900101", "1101201234", "desk@", "a+b")
    assert [secret for secret in secrets if secret in shown] == []


def test_an_error_while_sending_shows_nothing_personal(configure: Configure) -> None:
    with freebit(configure, SIGNED_IN, b"", **UMS) as (provider, _server):
        with pytest.raises(OutcomeUnknown) as caught:
            provider.send_activation(make_request(TRANSFER))
        assert caught.value.message == "The connection ended before the provider's answer came"
    row = ProviderCall.objects.get(operation="activate")
    assert (row.request, row.outcome) == ("json=[redacted]", "unknown")


# -- what is not sent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"simKind": "E9"}, "277", "simKind"),
        ({"simKind": ""}, "277", "simKind"),
        ({"account": "０８０１１１１２２２２"}, "201", "account"),
        ({"addKind": "X"}, "333", "addKind"),
        ({"unknown": "x"}, "204", None),
        ({"account": 8011112222222}, "201", "account"),
        ({"eid": EID[:-1] + "6"}, "handles", "eid"),
        ({"deliveryCode": "OTHER"}, "handles", "deliveryCode"),
    ],
)
def test_what_is_sure_to_be_refused_is_not_sent(
    configure: Configure, changes: dict[str, Any], code: str, field: str | None
) -> None:
    request = make_request()
    wrong = type(request)(eid=EID, delivery_code=CODE, payload={**request.payload, **changes})
    with freebit(configure, SIGNED_IN, answer(ACCEPTED)) as (provider, server):
        with pytest.raises(Rejected) as caught:
            provider.send_activation(wrong)
        assert server.requests == []
    error = caught.value
    assert (error.code, error.field, error.mend, error.operation) == (code, field, Mend.DATA, "activate")
    assert error.message.startswith("Not sent: ")
    assert [value for value in changes.values() if value and str(value) in error.message] == []
    assert not ProviderCall.objects.exists()


def test_handles_come_with_the_request(configure: Configure) -> None:
    request = make_request()
    bare = type(request)(eid=EID, delivery_code=CODE, payload=dict(NEW))
    with freebit(configure, SIGNED_IN, answer(ACCEPTED)) as (provider, server):
        provider.send_activation(bare)
        document = read_document(server.requests[1])
    assert (document["eid"], document["deliveryCode"]) == (EID, CODE)


@pytest.mark.parametrize(
    ("reply", "kind", "mend"),
    [
        (answer(envelope("205", "403")), Rejected, Mend.CREDENTIALS),
        (answer(envelope("204", "400"), status="400 Bad Request"), Rejected, Mend.CREDENTIALS),
        (answer(b"<html>", status="404 Not Found"), Rejected, Mend.CREDENTIALS),
        (answer(envelope("230", "500")), RateLimited, None),
        (answer(envelope("900", "500")), NotSent, None),
        (answer(b"<html>", status="502 Bad Gateway"), NotSent, None),
        (answer(b'{"resultCode":"100"}'), NotSent, None),
        (answer(b'{"resultCode":"100","authKey":" "}'), NotSent, None),
        (answer(b"", length=10), NotSent, None),
        (b"", NotSent, None),
    ],
    ids=["205", "204", "404", "230", "900", "502", "no key", "blank key", "cut off", "nothing"],
)
def test_without_a_key_nothing_is_sent(
    configure: Configure, reply: bytes, kind: type[ProviderError], mend: Mend | None
) -> None:
    with freebit(configure, reply) as (provider, server):
        with pytest.raises(ProviderError) as caught:
            provider.send_activation(make_request())
        assert [read_request(request)[0] for request in server.requests] == [
            "POST /prefix/emptool/api/authOem/ HTTP/1.1"
        ]
    assert type(caught.value) is kind
    assert (caught.value.operation, getattr(caught.value, "mend", None)) == ("activate", mend)
    assert [row.operation for row in ProviderCall.objects.all()] == ["auth"]


# -- the key ----------------------------------------------------------------------------------------------------------


def test_one_key_serves_many_activations(configure: Configure) -> None:
    with freebit(configure, SIGNED_IN, answer(ACCEPTED)) as (provider, server):
        provider.send_activation(make_request(code="A1"))
        provider.send_activation(make_request(code="A2"))
        documents = [read_document(request) for request in server.requests]
    assert [document.get("deliveryCode") for document in documents] == [None, "A1", "A2"]
    assert [document.get("authKey") for document in documents] == [None, KEY, KEY]
    assert bytes(ProviderToken.objects.get().token or b"") == KEY.encode()


@pytest.mark.parametrize("refused", [envelope(205, 403), envelope("228", "400"), envelope("403", "205")])
def test_a_refused_key_is_renewed_and_the_activation_sent_once_more(configure: Configure, refused: bytes) -> None:
    request = make_request()
    with freebit(configure, sign_in("OLD"), answer(refused), sign_in("NEW"), answer(ACCEPTED)) as (provider, server):
        outcome = provider.read_activation_reply(provider.send_activation(request), request)
        documents = [read_document(sent) for sent in server.requests]
    assert outcome.order_ref == CODE
    assert [document.get("authKey") for document in documents] == [None, "OLD", None, "NEW"]
    assert {**documents[1], "authKey": ""} == {**documents[3], "authKey": ""}


def test_a_key_that_is_refused_twice_is_for_staff(configure: Configure) -> None:
    request = make_request()
    refused = answer(envelope("205", "403", "Auth Error"))
    with freebit(configure, sign_in("OLD"), refused, sign_in("NEW"), refused) as (provider, server):
        with pytest.raises(Rejected) as caught:
            provider.read_activation_reply(provider.send_activation(request), request)
        assert len(server.requests) == 4
    assert (caught.value.code, caught.value.mend) == ("205", Mend.CREDENTIALS)
    assert ProviderCall.objects.filter(operation="activate", outcome="rejected").count() == 2
    assert ProviderAccount.objects.get(slug="freebit").last_failure_at is not None


@pytest.mark.parametrize(
    "reply",
    [
        answer(envelope("205", "403"), length=1000),
        answer(envelope("205", "200")),
        answer(envelope("205"), status="401 Unauthorized", length=1000),
        answer(b"<html>", status="401 Unauthorized"),
        answer(envelope("900", "500")),
        answer(envelope("215", "400")),
        answer(b"{"),
    ],
    ids=["cut off", "contradiction", "cut off 401", "401", "900", "215", "nonsense"],
)
def test_nothing_else_is_sent_twice(configure: Configure, reply: bytes) -> None:
    with freebit(configure, SIGNED_IN, reply, SIGNED_IN, answer(ACCEPTED)) as (provider, server):
        provider.send_activation(make_request())
        assert len(server.requests) == 2


def test_a_check_is_an_authentication(configure: Configure) -> None:
    with freebit(configure, SIGNED_IN) as (provider, server):
        provider.check()
        provider.check()
        assert len(server.requests) == 2
    assert bytes(ProviderToken.objects.get().token or b"") == KEY.encode()


def test_a_check_raises_like_a_read(configure: Configure) -> None:
    with (
        freebit(configure, answer(envelope("900", "500"))) as (provider, _server),
        pytest.raises(Unavailable) as caught,
    ):
        provider.check()
    assert (caught.value.code, caught.value.operation) == ("900", "auth")


# -- what it is -------------------------------------------------------------------------------------------------------


def test_it_activates_lines_and_nothing_else() -> None:
    assert make_client().offered == {Capability.LINE_ACTIVATION}
    assert make_client().repeatable == frozenset()


def test_it_is_off_until_it_is_configured(configure: Configure, settings: Settings) -> None:
    assert "freebit" not in registry.configured_accounts()
    configure("freebit", url="https://freebit.example", oem_id=OEM_ID, oem_key="")
    assert [(message.id, message.msg) for message in check_accounts(None)] == [
        ("providers.E001", "freebit is half configured: FREEBIT_OEM_KEY is not set.")
    ]
    configure("freebit", oem_key=OEM_KEY)
    assert check_accounts(None) == []
    assert "freebit" in registry.configured_accounts()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "freebit.example"}, "FREEBIT_URL is not an address"),
        ({"url": "https://user@freebit.example"}, "FREEBIT_URL is not an address"),
        ({"url": ""}, "FREEBIT_URL is not set"),
        ({"oem_id": ""}, "FREEBIT_OEM_ID is not set"),
        ({"paths": ["/a"]}, "FREEBIT_PATHS is not a JSON object"),
        ({"paths": {"auth": "authOem"}}, "FREEBIT_PATHS: auth is not a path"),
        ({"paths": {"activate": "/a?b"}}, "FREEBIT_PATHS: activate is not a path"),
        ({"paths": {"order": "/a"}}, "FREEBIT_PATHS names ['order']; there are auth, activate"),
        ({"limits": {"auth": 0}}, "FREEBIT_LIMITS: auth is not a whole number"),
        ({"limits": {"auth": True}}, "FREEBIT_LIMITS: auth is not a whole number"),
        ({"limits": {"order": 1}}, "FREEBIT_LIMITS names ['order']"),
        ({"key_minutes": 0}, "FREEBIT_KEY_MINUTES is not a whole number from 1 to 1440"),
        ({"busy_seconds": -1}, "FREEBIT_BUSY_SECONDS is not a whole number from 1 to 86400"),
        ({"completion_encoding": "sjis"}, "FREEBIT_COMPLETION_ENCODING is one of"),
    ],
)
def test_settings_that_cannot_be_used(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        make_client(**changes)
    assert str(caught.value).startswith(message)


def test_limits_are_ours() -> None:
    budgets = make_client().budgets
    assert {name: (budget.calls, budget.seconds) for name, budget in budgets.items()} == {
        "auth": (10, 60.0),
        "activate": (20, 60.0),
    }
    assert set(make_client(limits={"activate": None}).budgets) == {"auth"}


def test_the_settings_show_no_key() -> None:
    config = FreebitConfig.from_settings("freebit", {"url": "https://x.example", "oem_id": OEM_ID, "oem_key": OEM_KEY})
    assert OEM_ID not in repr(config)
    assert OEM_KEY not in repr(config)


# -- with the simulator -----------------------------------------------------------------------------------------------


@pytest.fixture
def desk(simulator: Simulator, configure: Configure) -> Freebit:
    """freebit at the simulator, and the account that talks to it."""
    found = Freebit(simulator)
    configure("freebit", url=found.url, oem_id=SIMULATED_ID, oem_key=SIMULATED_KEY)
    registry.ensure_accounts()
    return found


def test_from_the_form_to_the_line(desk: Freebit) -> None:
    provider = registry.get_provider("freebit")
    request = make_request(eid="89086030202200000022000023022943", code="WAY0000001")
    provider.read_activation_reply(provider.send_activation(request), request)
    assert [(order["reference"], order["refs"]) for order in desk.orders()] == [("WAY0000001", [request.eid])]
    desk.complete(request.eid)
    found = provider.read_completions(desk.completion_file(encoding="cp932").content)
    row = next(row for row in found.rows if row.delivery_code == "WAY0000001")
    assert (row.succeeded, row.eid, row.code) == (True, request.eid, "100")
    line = provider.build_completed_line(
        row, eid=request.eid, delivery_code=request.delivery_code, seen_at=datetime.now(UTC) + timedelta(days=365)
    )
    sold = next(sold for sold in desk.lines() if sold["eid"] == request.eid)
    assert (line.iccid, line.phone_number) == (sold["iccid"], sold["account"])
    assert (line.state, line.provider_ref, line.lpa) == (LineState.READY, f"{request.eid}:WAY0000001", "")


def test_a_line_comes_of_success_only() -> None:
    for succeeded in (False, None):
        row = CompletionRow(
            number=1, eid=EID, delivery_code=CODE, account_number="", succeeded=succeeded, code="371", message=""
        )
        with pytest.raises(ValueError, match="only a row of success"):
            make_client().build_completed_line(row, eid=EID, delivery_code=CODE, seen_at=datetime.now(UTC))


@pytest.mark.parametrize("dates", ["slash", "iso", "compact", "date"])
@pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-8-sig"])
def test_the_simulated_file_in_all_its_forms(desk: Freebit, dates: str, encoding: str) -> None:
    provider = registry.get_provider("freebit")
    wishes = {"strangers": 3, "dates": dates, "encoding": encoding, "broken": "columns,eid,result,date,bytes,quote"}
    found = provider.read_completions(desk.completion_file(**wishes).content)
    codes = [row.delivery_code for row in found.rows]
    assert codes[-5:] == ["OTHER0001", "OTHER0002", "OTHER0003", "OTHER9003", "OTHER9004"]
    assert [row.succeeded for row in found.rows[-5:]] == [True, True, True, None, True]
    assert found.rows[-1].completed_at is found.rows[-1].completed_on is None
    assert len(found.faults) == 5
