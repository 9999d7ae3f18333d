"""The outbound path against servers that no documentation describes."""

import gzip
import socket
import ssl
import threading
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils import timezone
from pytest_django.fixtures import Settings

from providers import calls, limits, transport, wire
from providers.errors import Mend, NotSent, OutcomeUnknown, RateLimited, Rejected, Unavailable
from providers.models import ProviderAccount, ProviderCall, RatePause, RateSlot
from providers.reading import UnreadableError
from providers.transport import OutboundCall
from providers.types import ProviderReply, RateBudget
from tests.providers.scripted import answer, drip, reset_after, scripted

pytestmark = pytest.mark.django_db


def make_call(server_url: str, *, is_write: bool = True, **changes: Any) -> OutboundCall:
    values: dict[str, Any] = {
        "account": "test",
        "operation": "order",
        "method": "POST" if is_write else "GET",
        "url": f"{server_url}/orders",
        "headers": {"X-API-Key-Secret": "s3cret"},
        "is_write": is_write,
        "body": b'{"quantity":1}' if is_write else b"",
        "read_timeout": 2.0,
    }
    return OutboundCall(**{**values, **changes})


def read_body(call: OutboundCall) -> bytes:
    return transport.read(call, judge=lambda _reply: None, parse=lambda reply: reply.body)


# -- what is sent -----------------------------------------------------------------------------------------------------


def test_a_write_goes_out_once_on_a_connection_of_its_own() -> None:
    with scripted(answer(b'{"n": 1}'), answer(b'{"n": 2}')) as server:
        assert transport.send_write(make_call(server.url)).body == b'{"n": 1}'
        # A pooled connection would have gone to the first script's socket, which is closed by now.
        assert transport.send_write(make_call(server.url)).body == b'{"n": 2}'
        head, _mark, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /orders HTTP/1.1"
    assert body == b'{"quantity":1}'
    assert "Connection: close" in lines
    assert "Accept-Encoding: identity" in lines
    assert "X-API-Key-Secret: s3cret" in lines
    assert len(server.requests) == 2


def test_a_query_is_added_to_a_path_that_has_one() -> None:
    with scripted(answer()) as server:
        read_body(make_call(server.url, is_write=False, url=f"{server.url}/p/plans?v=2", query={"page": "1"}))
        assert server.requests[0].startswith(b"GET /p/plans?v=2&page=1 HTTP/1.1\r\n")


def test_netrc_and_proxies_of_the_environment_do_not_touch_plain_http(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with scripted(answer()) as server:
        transport.send_write(make_call(server.url))
        assert b"authorization" not in server.requests[0].lower()


def test_https_goes_through_the_environments_proxy_and_a_refused_tunnel_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with scripted(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(NotSent):
            transport.send_write(make_call("https://wholesaler.invalid"))
        assert proxy.requests[0].startswith(b"CONNECT wholesaler.invalid:443 HTTP/1.")
        assert b"s3cret" not in proxy.requests[0]


# -- nothing left this machine ----------------------------------------------------------------------------------------


def test_a_server_that_speaks_no_tls_was_sent_nothing() -> None:
    with scripted(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server, pytest.raises(NotSent) as caught:
        transport.send_write(make_call(server.url.replace("http:", "https:")))
    assert "certificate or TLS" in caught.value.message


def test_a_certificate_that_nobody_signed_was_sent_nothing(tmp_path: Any) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _address = listener.accept()
            with connection:
                try:
                    with context.wrap_socket(connection, server_side=True) as secure:
                        got.append(secure.recv(1000))
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(NotSent) as caught:
            transport.send_write(make_call(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join(5)
    assert "certificate" in caught.value.message
    assert b"".join(got) == b""


def test_a_connection_that_does_not_come_about_in_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HTTP_CONNECT_TIMEOUT = 0.05
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Fill the queue of connections, so that the next one waits.
        fillers = [socket.socket() for _number in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        with pytest.raises(NotSent) as caught:
            transport.send_write(make_call(f"http://127.0.0.1:{full.getsockname()[1]}"))
        for filler in fillers:
            filler.close()
    assert "in time" in caught.value.message


def make_certificate(directory: Any) -> tuple[str, str]:
    """A self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = timezone.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(paths[0]), str(paths[1])


# -- what came back ---------------------------------------------------------------------------------------------------

CUT = b'{"transactionId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","esims":[{"icc'


@pytest.mark.parametrize(
    "script",
    [
        answer(CUT, length=5000),
        reset_after(answer(CUT, length=5000)),
        answer(b"46\r\n" + CUT, "Transfer-Encoding: chunked", length=-1),
        answer(b"46\r\n" + CUT + b"\r\n", "Transfer-Encoding: chunked", length=-1),
        answer(b"fff\r\n" + CUT, "Transfer-Encoding: chunked", length=-1),
        reset_after(answer(CUT, length=-1)),
    ],
    ids=["length", "length-reset", "chunk", "chunk-end", "in-chunk", "until-close-reset"],
)
def test_a_cut_reply_keeps_the_bytes_that_came(script: Any) -> None:
    with scripted(script) as server:
        reply = transport.send_write(make_call(server.url))
    assert (reply.status, reply.body, reply.complete) == (200, CUT, False)
    with scripted(script) as server, pytest.raises(Unavailable):
        read_body(make_call(server.url, is_write=False))


def test_a_reply_whose_end_is_the_connections_end_is_whole() -> None:
    with scripted(answer(b'{"a": 1}', length=-1)) as server:
        reply = transport.send_write(make_call(server.url))
    assert (reply.body, reply.complete) == (b'{"a": 1}', True)


def test_bytes_after_the_announced_end_are_not_the_replys() -> None:
    with scripted(answer(b'{"a": 1}garbage', length=8)) as server:
        assert transport.send_write(make_call(server.url)).body == b'{"a": 1}'


def test_a_reply_that_only_drips_has_an_end() -> None:
    script = drip(answer(b"", length=1000), b"x", seconds=0.1, times=30)
    with scripted(script) as server:
        reply = transport.send_write(make_call(server.url, read_timeout=0.5))
    assert not reply.complete
    assert 1 <= len(reply.body) <= 6


def test_a_reply_is_never_larger_than_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_REPLY_BYTES", 1000)
    with scripted(answer(b"x" * 5000)) as server:
        reply = transport.send_write(make_call(server.url))
    assert (len(reply.body), reply.complete) == (1000, False)


def test_a_compressed_reply_is_understood_although_none_was_asked_for() -> None:
    packed = gzip.compress(CUT)
    with scripted(answer(packed, "Content-Encoding: gzip"), answer(packed[:60], "Content-Encoding: gzip")) as server:
        whole = transport.send_write(make_call(server.url))
        part = transport.send_write(make_call(server.url))
    assert (whole.body, whole.complete) == (CUT, True)
    assert part.complete is False
    assert CUT.startswith(part.body)


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        answer(b"{}", "Content-Length: 5"),
        reset_after(b""),
    ],
    ids=["nothing", "garbage", "cut-status", "too-many-headers", "two-lengths", "reset"],
)
def test_no_reply_at_all_leaves_a_write_unknown_and_a_read_unavailable(script: Any) -> None:
    with scripted(script) as server, pytest.raises(OutcomeUnknown):
        transport.send_write(make_call(server.url))
    with scripted(script) as server, pytest.raises(Unavailable):
        read_body(make_call(server.url, is_write=False))
    assert list(ProviderCall.objects.order_by("pk").values_list("outcome", flat=True)) == ["unknown", "failed"]


def test_a_head_that_is_cut_off_is_no_whole_reply() -> None:
    with scripted(b"HTTP/1.1 200 OK\r\nContent-Le") as server:
        reply = transport.send_write(make_call(server.url))
    assert (reply.status, reply.body, reply.complete) == (200, b"", False)


def test_an_interim_reply_is_not_the_answer() -> None:
    with scripted(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b'{"a": 1}')) as server:
        assert transport.send_write(make_call(server.url)).body == b'{"a": 1}'


@pytest.mark.parametrize("location", ["http://[broken", "http://127.0.0.1:1/elsewhere", "", "\\x"])
def test_a_redirect_is_a_reply_and_is_not_even_looked_at(location: str) -> None:
    with scripted(answer(b"{}", f"Location: {location}", status="307 Temporary Redirect")) as server:
        reply = transport.send_write(make_call(server.url))
        assert len(server.requests) == 1
    assert (reply.status, reply.complete) == (307, True)


def test_headers_have_lower_case_names_and_no_cookie() -> None:
    with scripted(answer(b"{}", "Set-Cookie: session=1", "X-RateLimit-Remaining: 3")) as server:
        headers = transport.send_write(make_call(server.url)).headers
    assert headers["x-ratelimit-remaining"] == "3"
    assert "set-cookie" not in headers


# -- what stands around the call --------------------------------------------------------------------------------------


def test_a_failing_log_does_not_touch_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(ProviderCall, "save", fail)
    with scripted(answer(b'{"a": 1}')) as server:
        assert transport.send_write(make_call(server.url)).body == b'{"a": 1}'
        with pytest.raises(NotSent):
            transport.send_write(make_call("http://127.0.0.1:9"))


def test_a_failing_note_about_limits_does_not_touch_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(RatePause.objects, "get_or_create", fail)
    with scripted(answer(b"{}", "Retry-After: 5")) as server:
        assert transport.send_write(make_call(server.url)).status == 200


@pytest.mark.parametrize("failure", [OperationalError("database is locked"), InterfaceError("connection is closed")])
def test_without_the_right_to_call_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, failure: DatabaseError) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise failure

    monkeypatch.setattr(limits, "take", fail)
    with scripted(answer(b"{}")) as server:
        with pytest.raises(NotSent) as caught:
            transport.send_write(make_call(server.url))
        assert (caught.value.code, server.requests) == ("database", [])


def test_a_slow_connection_moves_its_call_in_the_rate_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_SLOW_CONNECT", -1.0)
    budget = RateBudget(calls=1, seconds=60)
    with scripted(answer()) as server:
        before = timezone.now()
        transport.send_write(make_call(server.url, budget=budget))
    slot = RateSlot.objects.get()
    assert slot.used_at is not None
    assert slot.used_at > before
    assert slot.used_at > ProviderCall.objects.get().sent_at


def test_the_log_row_says_what_happened() -> None:
    body = b'{"quantity":1,"qrCode":"LPA:1$smdp.example.com$CODE123"}'
    with scripted(
        answer(b'{"activationCode":"CODE123","iccid":"8981100000000000002"}', status="201 Created")
    ) as server:
        transport.send_write(make_call(server.url, body=body, query={"token": "abc", "page": "1"}))
    row = ProviderCall.objects.get()
    assert (row.account, row.operation, row.method, row.status, row.outcome) == ("test", "order", "POST", 201, "ok")
    assert row.path == "/orders?token=[redacted]&page=1"
    assert row.request == '{"quantity": 1, "qrCode": "[redacted]"}'
    assert row.reply == '{"activationCode": "[redacted]", "iccid": "8981100000000000002"}'
    assert row.error == ""


def test_the_log_is_cut_after_it_was_redacted() -> None:
    body = b"[" + b",".join(b'{"qrCode":"LPA:1$smdp.example.com$CODE%05d"}' % number for number in range(5000)) + b"]"
    with scripted(answer(body)) as server:
        transport.send_write(make_call(server.url))
    row = ProviderCall.objects.get()
    assert len(row.reply) == calls.REPLY_LIMIT
    assert "CODE" not in row.reply


def test_health_tells_the_last_luck_and_is_written_seldom() -> None:
    account = ProviderAccount.objects.create(slug="test", adapter="x", name="Test")

    def health() -> tuple[bool, bool, str]:
        account.refresh_from_db()
        return account.last_success_at is not None, account.last_failure_at is not None, account.last_failure

    with scripted(answer(), answer(), answer(status="500 Oops"), answer(status="401 No"), answer()) as server:
        call = make_call(server.url)
        transport.send_write(call)
        assert health() == (True, False, "")
        first = account.last_success_at
        transport.send_write(call)
        account.refresh_from_db()
        assert account.last_success_at == first
        transport.send_write(call)
        assert health() == (True, True, "HTTP 500")
        transport.send_write(call)
        assert health() == (True, True, "HTTP 401")
        transport.send_write(call)
    account.refresh_from_db()
    assert account.last_success_at is not None
    assert account.last_failure_at is not None
    assert account.last_success_at > account.last_failure_at


def test_health_notes_keys_that_are_refused_with_status_200() -> None:
    account = ProviderAccount.objects.create(slug="test", adapter="x", name="Test")
    refused = Rejected("The keys are wrong", code="000101", mend=Mend.CREDENTIALS)
    out_of_stock = Rejected("Nothing is left", code="200011", mend=Mend.STOCK)
    with scripted(answer()) as server:
        transport.send_write(make_call(server.url), judge=lambda _reply: out_of_stock)
        account.refresh_from_db()
        assert (account.last_failure_at, account.last_failure) == (None, "")
        transport.send_write(make_call(server.url), judge=lambda _reply: refused)
    account.refresh_from_db()
    assert account.last_failure_at is not None
    assert account.last_failure == "The keys are wrong"


def test_old_log_rows_are_pruned(settings: Settings) -> None:
    settings.CALL_LOG_DAYS = 30
    for days in (31, 29):
        ProviderCall.objects.create(
            account="test", operation="order", sent_at=timezone.now() - timedelta(days=days), duration_ms=1
        )
    assert calls.prune_calls() == 1
    assert ProviderCall.objects.count() == 1


# -- limits that a provider reports -----------------------------------------------------------------------------------


def test_retry_after_of_a_cached_answer_is_kept_for_the_next_reader() -> None:
    """ "In such cases, cached data is returned. If the server returns Retry-After, honor that value for re-queries."""
    with scripted(answer(b"{}", "Retry-After: 20")) as server:
        call = make_call(server.url, is_write=False)
        assert read_body(call) == b"{}"
        with pytest.raises(RateLimited) as caught:
            read_body(call)
        assert len(server.requests) == 1
    assert timedelta(seconds=18) < caught.value.retry_after <= timedelta(seconds=20)


def test_no_call_left_means_waiting_for_the_reset() -> None:
    headers = ("X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 0", 'X-RateLimit-Reset: "45"')
    with scripted(answer(b"{}", *headers)) as server:
        read_body(make_call(server.url, is_write=False))
    pause = RatePause.objects.get()
    assert (pause.provider_limit, pause.provider_remaining) == (60, 0)
    assert timedelta(seconds=43) < pause.until - timezone.now() <= timedelta(seconds=45)


def test_a_pause_is_never_made_shorter() -> None:
    for seconds in ("60", "5"):
        limits.note_reply("test", "order", status=200, headers={"retry-after": seconds}, received_at=timezone.now())
    assert RatePause.objects.get().until - timezone.now() > timedelta(seconds=55)


def test_a_reply_that_cannot_be_parsed_is_logged_as_failed() -> None:
    def parse(_reply: ProviderReply) -> Any:
        raise UnreadableError("it has no plans")

    with scripted(answer()) as server, pytest.raises(Unavailable, match="nonsense: it has no plans"):
        transport.read(make_call(server.url, is_write=False), judge=lambda _reply: None, parse=parse)
    assert ProviderCall.objects.get().outcome == "failed"


def test_what_fails_in_our_own_code_is_not_hidden() -> None:
    def parse(_reply: ProviderReply) -> Any:
        raise KeyError("a fault of ours")

    with scripted(answer()) as server, pytest.raises(KeyError):
        transport.read(make_call(server.url, is_write=False), judge=lambda _reply: None, parse=parse)
