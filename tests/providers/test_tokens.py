"""One token per account, shared by all workers: kept, renewed in time, replaced when it is refused."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from providers import tokens
from providers.errors import Mend, NotSent, ProviderError, RateLimited, Rejected, Unavailable
from providers.models import ProviderAccount, ProviderToken
from providers.tokens import IssuedToken, SharedToken, read_with_token, write_with_token
from providers.types import ProviderReply

HOUR = timedelta(hours=1)
WORKERS = 6


class Counter:
    """An authentication that gives token-1, token-2, …, or the errors that were ordered for its next calls."""

    def __init__(self, *, life: timedelta = HOUR) -> None:
        self.calls = 0
        self.life = life
        self.errors: list[Exception] = []
        self.before: Callable[[], None] = lambda: None

    def __call__(self) -> IssuedToken:
        self.calls += 1
        number = self.calls
        self.before()
        if self.errors:
            raise self.errors.pop(0)
        return IssuedToken(value=f"token-{number}", expires_at=timezone.now() + self.life)


@pytest.fixture
def account(db: None) -> ProviderAccount:
    return ProviderAccount.objects.create(slug="wholesaler", adapter="any", name="Wholesaler")


@pytest.fixture
def issue() -> Counter:
    return Counter()


@pytest.fixture
def token(account: ProviderAccount, issue: Counter) -> SharedToken:
    return shared(issue)


def shared(issue: Counter, *, key: str = "key") -> SharedToken:
    return SharedToken(account="wholesaler", issued_for=("https://provider.example", key), issue=issue)


def age(**fields: timedelta) -> None:
    """Move the stored token's times by so much."""
    row = ProviderToken.objects.get()
    ProviderToken.objects.update(**{name: getattr(row, name) + by for name, by in fields.items()})


def reply(status: int) -> ProviderReply:
    now = timezone.now()
    return ProviderReply(
        operation="order", status=status, headers={}, body=b"", complete=True, sent_at=now, received_at=now
    )


# -- kept ---------------------------------------------------------------------------------------------------------


def test_a_token_is_fetched_once_and_kept(token: SharedToken, issue: Counter) -> None:
    assert [token.get("order"), token.get("plans"), shared(issue).get("order")] == ["token-1"] * 3
    assert issue.calls == 1
    row = ProviderToken.objects.get()
    assert row.token == b"token-1"
    assert row.expires_at - row.renew_at == pytest.approx(HOUR / 6, abs=timedelta(seconds=1))
    assert row.renewing_until is None


def test_it_is_encrypted_at_rest_and_the_keys_are_not_there(token: SharedToken) -> None:
    token.get("order")
    with connection.cursor() as cursor:
        cursor.execute("SELECT token, issued_for FROM providers_providertoken")
        stored, digest = cursor.fetchone()
    assert "token-1" not in stored
    assert len(digest) == 64
    assert "key" not in digest


def test_nothing_secret_is_in_a_repr(token: SharedToken, issue: Counter) -> None:
    assert "provider.example" not in repr(token)
    assert "token-1" not in repr(issue())


def test_another_key_does_not_use_it(token: SharedToken, issue: Counter) -> None:
    assert token.get("order") == "token-1"
    assert shared(issue, key="another").get("order") == "token-2"
    assert ProviderToken.objects.get().token == b"token-2"


def test_without_an_account_row_every_call_authenticates(db: None, issue: Counter) -> None:
    assert [shared(issue).get("order"), shared(issue).get("order")] == ["token-1", "token-2"]
    assert not ProviderToken.objects.exists()


# -- renewed in time ----------------------------------------------------------------------------------------------


def test_it_is_renewed_before_its_end(token: SharedToken, issue: Counter) -> None:
    token.get("order")
    age(renew_at=-timedelta(minutes=49))
    assert token.get("order") == "token-1"
    age(renew_at=-timedelta(minutes=2))
    assert token.get("order") == "token-2"
    assert (issue.calls, ProviderToken.objects.get().token) == (2, b"token-2")


def test_while_one_worker_renews_the_others_use_the_old_one(token: SharedToken, issue: Counter) -> None:
    token.get("order")
    age(renew_at=-HOUR)
    seen: list[str] = []

    def meanwhile() -> None:
        issue.before = lambda: None
        seen.append(shared(issue).get("plans"))

    issue.before = meanwhile
    assert token.get("order") == "token-2"
    assert (seen, issue.calls) == (["token-1"], 2)


def test_a_renewal_that_fails_leaves_the_old_one_in_use(token: SharedToken, issue: Counter) -> None:
    token.get("order")
    age(renew_at=-HOUR)
    issue.errors = [Unavailable("The provider answered HTTP 500")]
    assert [token.get("order"), token.get("order")] == ["token-1", "token-1"]
    assert issue.calls == 2
    age(renewing_until=-timedelta(seconds=31))
    assert token.get("order") == "token-3"


def test_a_worker_that_died_while_renewing_is_followed_by_another(token: SharedToken, issue: Counter) -> None:
    token.get("order")
    age(renew_at=-HOUR, expires_at=-2 * HOUR)
    ProviderToken.objects.update(renewing_until=timezone.now() - timedelta(seconds=1))
    assert token.get("order") == "token-2"


def test_a_token_of_a_short_life_is_not_renewed_all_the_time(token: SharedToken, issue: Counter) -> None:
    issue.life = timedelta(minutes=6)
    assert [token.get("order"), token.get("order")] == ["token-1", "token-1"]


# -- not to be had ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Unavailable("The provider answered HTTP 500", code="500", operation="auth"), NotSent, "500"),
        (NotSent("The provider could not be reached", code="ConnectionError", operation="auth"), NotSent, None),
        (RateLimited("Too many", retry_after=HOUR, code="429", operation="auth"), RateLimited, None),
        (Rejected("No", code="401", operation="auth", mend=Mend.CREDENTIALS), Rejected, None),
    ],
)
def test_a_call_without_a_token_was_not_sent(
    token: SharedToken, issue: Counter, error: ProviderError, kind: type[ProviderError], code: str | None
) -> None:
    issue.errors = [error]
    with pytest.raises(ProviderError) as caught:
        token.get("order")
    assert type(caught.value) is kind
    assert (caught.value.operation, caught.value.code) == ("order", code or error.code)
    # The right to authenticate is free again.
    assert token.get("order") == "token-2"


def test_a_fault_of_ours_frees_the_right_to_renew(token: SharedToken, issue: Counter) -> None:
    issue.errors = [RuntimeError("a provider was called inside a transaction")]
    with pytest.raises(RuntimeError):
        token.get("order")
    assert ProviderToken.objects.get().renewing_until is None


def test_who_waits_for_another_worker_gives_up_and_sends_nothing(
    token: SharedToken, issue: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_PATIENCE_SECONDS", 0.1)
    token.get("order")
    age(expires_at=-2 * HOUR, renew_at=-2 * HOUR)
    ProviderToken.objects.update(renewing_until=timezone.now() + HOUR)
    with pytest.raises(NotSent) as caught:
        token.get("order")
    assert (caught.value.code, caught.value.operation, issue.calls) == ("token", "order", 1)


def test_a_database_that_is_away_means_not_sent(token: SharedToken, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(ProviderToken.objects, "filter", fail)
    with pytest.raises(NotSent) as caught:
        token.get("order")
    assert caught.value.code == "database"


# -- refused ------------------------------------------------------------------------------------------------------


def test_a_refused_token_is_replaced_once_for_all_workers(token: SharedToken, issue: Counter) -> None:
    token.get("order")
    assert token.replace("token-1", "order") == "token-2"
    # Another worker was refused with the same old token: the new one is there already.
    assert shared(issue).replace("token-1", "plans") == "token-2"
    assert issue.calls == 2


def test_a_check_authenticates_whatever_is_stored(token: SharedToken, issue: Counter) -> None:
    token.renew()
    assert (token.get("order"), issue.calls) == ("token-1", 1)
    token.renew()
    assert (token.get("order"), issue.calls) == ("token-2", 2)
    issue.errors = [Unavailable("down", operation="auth")]
    with pytest.raises(Unavailable) as caught:
        token.renew()
    assert caught.value.operation == "auth"
    # What was good before stays good.
    assert (token.get("order"), issue.calls) == ("token-2", 3)


def test_a_read_is_made_once_more_with_another_token(token: SharedToken, issue: Counter) -> None:
    used: list[str] = []

    def attempt(value: str) -> str:
        used.append(value)
        if value == "token-1":
            raise Rejected("HTTP 401", mend=Mend.CREDENTIALS)
        return "line"

    assert read_with_token(token, "status", attempt) == "line"
    assert (used, issue.calls) == (["token-1", "token-2"], 2)


def test_a_read_that_is_refused_twice_stops(token: SharedToken, issue: Counter) -> None:
    def attempt(_value: str) -> str:
        raise Rejected("HTTP 401", mend=Mend.CREDENTIALS)

    with pytest.raises(Rejected):
        read_with_token(token, "status", attempt)
    assert issue.calls == 2


def test_a_read_refused_for_another_reason_is_not_repeated(token: SharedToken, issue: Counter) -> None:
    def attempt(_value: str) -> str:
        raise Rejected("HTTP 404")

    with pytest.raises(Rejected):
        read_with_token(token, "status", attempt)
    assert issue.calls == 1


def test_a_write_is_sent_once_more_only_when_its_token_was_refused(token: SharedToken, issue: Counter) -> None:
    answers = [reply(401), reply(500)]
    used: list[str] = []

    def attempt(value: str) -> ProviderReply:
        used.append(value)
        return answers[len(used) - 1]

    assert write_with_token(token, "order", attempt, lambda got: got.status == 401).status == 500
    assert (used, issue.calls) == (["token-1", "token-2"], 2)


def test_a_write_keeps_its_refusal_when_no_other_token_can_be_had(token: SharedToken, issue: Counter) -> None:
    token.get("order")
    issue.errors = [Unavailable("The provider answered HTTP 500")]
    used: list[str] = []

    def attempt(value: str) -> ProviderReply:
        used.append(value)
        return reply(401)

    assert write_with_token(token, "order", attempt, lambda got: got.status == 401).status == 401
    assert used == ["token-1"]


# -- a race -------------------------------------------------------------------------------------------------------


def run_workers(issue: Counter) -> list[str]:
    got: list[str] = []

    def work() -> None:
        try:
            got.append(shared(issue).get("order"))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_without_the_claim_every_worker_would_authenticate(monkeypatch: pytest.MonkeyPatch) -> None:
    ProviderAccount.objects.create(slug="wholesaler", adapter="any", name="Wholesaler")
    issue = Counter()
    all_there = threading.Barrier(WORKERS)
    issue.before = lambda: void(all_there.wait(10))
    monkeypatch.setattr(SharedToken, "_claim", lambda _self, _row: timezone.now())
    assert len(run_workers(issue)) == WORKERS
    assert issue.calls == WORKERS


@pytest.mark.django_db(transaction=True)
def test_many_workers_authenticate_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ProviderAccount.objects.create(slug="wholesaler", adapter="any", name="Wholesaler")
    issue = Counter()
    issue.before = lambda: void(threading.Event().wait(0.3))
    assert run_workers(issue) == ["token-1"] * WORKERS
    assert issue.calls == 1


def void(_value: object) -> None:
    """Nothing."""
