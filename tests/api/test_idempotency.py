"""One wish, sent more than once."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate

from customers.api_idempotency import IdempotentView
from customers.idempotency import Answer, Claim, KeyInFlight, answer_once, delete_old_keys, digest_request
from customers.models import Customer, IdempotencyKey, User
from orders.pruning import prune_old_rows
from tests.customers.making import make_staff

pytestmark = pytest.mark.django_db
Work = Callable[[Claim, Request], Response]


@pytest.fixture
def user() -> User:
    return make_staff(is_staff=False)


def read_data(request: Request) -> Any:
    return request.data


def make_customer(claim: Claim, request: Request) -> Response:
    """The work of these tests: it makes a row, and says so."""
    with transaction.atomic():
        made = Customer.objects.create(name=read_data(request)["name"])
        claim.keep_reached(customer=made.pk)
    return Response({"id": made.pk, "name": made.name}, status=201, headers={"Location": f"/made/{made.pk}"})


def send(
    user: User, name: str = "Hana", *, key: str | None = "k-1", work: Work = make_customer, path: str = "/made"
) -> Any:
    class View(IdempotentView):
        throttle_classes = ()

        def post(self, request: Request) -> Response:
            return self.once(request, lambda claim: work(claim, request))

    headers = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
    request = APIRequestFactory().post(path, {"name": name}, format="json", **headers)
    force_authenticate(request, user)
    return View.as_view()(request).render()


def names() -> list[str]:
    return sorted(Customer.objects.values_list("name", flat=True))


def test_the_first_answer_is_given_again(user: User) -> None:
    first = send(user)
    again = send(user)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Location"] == first["Location"]
    assert (first.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    assert again["Cache-Control"] == "no-store"
    assert names() == ["Hana"]


@pytest.mark.parametrize(("name", "path"), [("Yuki", "/made"), ("Hana", "/elsewhere")])
def test_another_request_with_the_key_is_refused(user: User, name: str, path: str) -> None:
    send(user)
    response = send(user, name, path=path)
    assert response.status_code == 409
    assert json.loads(response.content)["code"] == "key_reused"
    assert response["Content-Type"] == "application/problem+json"
    assert names() == ["Hana"]


def test_keys_of_others_are_other_keys(user: User) -> None:
    other = make_staff(email="other@example.com", is_staff=False)
    assert json.loads(send(user).content)["id"] != json.loads(send(other).content)["id"]
    assert send(user, key="k-2").status_code == 201
    assert names() == ["Hana", "Hana", "Hana"]


@pytest.mark.parametrize("key", [None, "", "with space", "x" * 256, "ключ"])
def test_a_key_is_needed(user: User, key: str | None) -> None:
    response = send(user, key=key)
    assert response.status_code == 400
    assert json.loads(response.content)["code"] == "key_missing"
    assert names() == []
    assert IdempotencyKey.objects.count() == 0


def test_spaces_and_order_do_not_make_another_request() -> None:
    one = digest_request(method="POST", path="/made", data=json.loads('{"a": 1, "b": [1, 2]}'))
    assert one == digest_request(method="POST", path="/made", data=json.loads('{"b":[1,2],"a":1}'))
    assert one != digest_request(method="POST", path="/made", data={"a": 1, "b": [2, 1]})
    assert one != digest_request(method="PUT", path="/made", data={"a": 1, "b": [1, 2]})


def test_while_it_is_worked_on_one_is_told_to_wait(user: User) -> None:
    inner: list[Any] = []

    def work(claim: Claim, request: Request) -> Response:
        inner.append(send(user))
        return make_customer(claim, request)

    assert send(user, work=work).status_code == 201
    assert inner[0].status_code == 409
    assert inner[0]["Retry-After"] == "2"
    assert json.loads(inner[0].content)["code"] == "key_in_flight"
    assert names() == ["Hana"]


def test_a_refusal_by_the_state_of_things_is_an_answer_too(user: User) -> None:
    class Refused(APIException):
        status_code = 409
        default_code = "refused"
        default_detail = "Not now."

    def refuse(claim: Claim, request: Request) -> Response:
        raise Refused

    first = send(user, work=refuse)
    again = send(user)
    assert (first.status_code, again.status_code) == (409, 409)
    assert json.loads(again.content)["detail"] == "Not now."
    assert again["Content-Type"] == "application/problem+json"
    assert names() == []


@pytest.mark.parametrize("error", [NotFound(), APIException()])
def test_an_answer_that_says_nothing_of_the_work_leaves_the_key_free(user: User, error: APIException) -> None:
    def fail(claim: Claim, request: Request) -> Response:
        raise error

    assert send(user, work=fail).status_code == error.status_code
    assert IdempotencyKey.objects.count() == 0
    assert send(user, "Yuki").status_code == 201
    assert names() == ["Yuki"]


def test_work_that_died_goes_on_from_what_it_had_reached(user: User) -> None:
    def die(claim: Claim, request: Request) -> Response:
        make_customer(claim, request)
        raise OSError("the machine is gone")

    def go_on(claim: Claim, request: Request) -> Response:
        return Response({"id": claim.reached["customer"]}, status=201)

    with pytest.raises(OSError, match="gone"):
        send(user, work=die)
    assert json.loads(send(user, "Yuki", work=go_on).content)["code"] == "key_reused"
    assert json.loads(send(user, work=go_on).content) == {"id": Customer.objects.get().pk}
    assert names() == ["Hana"]


def test_a_killed_worker_holds_the_key_for_a_time_only(user: User) -> None:
    digest = digest_request(method="POST", path="/made", data={"name": "Hana"})
    row = IdempotencyKey.objects.create(user=user, key="k-1", digest=digest, claimed_at=timezone.now())
    assert send(user).status_code == 409
    IdempotencyKey.objects.update(claimed_at=timezone.now() - timedelta(seconds=121))
    assert send(user).status_code == 201
    row.refresh_from_db()
    assert (row.turn, row.claimed_at, row.status) == (2, None, 201)


def test_who_was_taken_over_writes_nothing_more(user: User) -> None:
    """The first is slow, not dead: what it makes after another has taken over is rolled back."""

    def slow(claim: Claim, request: Request) -> Response:
        IdempotencyKey.objects.update(claimed_at=timezone.now() - timedelta(seconds=121))
        assert send(user).status_code == 201
        return make_customer(claim, request)

    response = send(user, work=slow)
    assert json.loads(response.content)["code"] == "key_in_flight"
    assert names() == ["Hana"]
    assert send(user).status_code == 201


def test_what_was_answered_is_encrypted(user: User) -> None:
    send(user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM customers_idempotencykey")
        stored = cursor.fetchone()[0]
    assert "Hana" not in stored
    assert json.loads(IdempotencyKey.objects.get().answer or b"")["name"] == "Hana"


def test_old_answers_are_deleted(user: User) -> None:
    send(user)
    send(user, key="k-2")
    IdempotencyKey.objects.filter(key="k-1").update(created_at=timezone.now() - timedelta(days=30, minutes=1))
    assert prune_old_rows()["answers"] == 1
    assert [row.key for row in IdempotencyKey.objects.all()] == ["k-2"]
    assert delete_old_keys() == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_claimed", [False, True])
def test_of_many_at_once_one_works(user: User, is_claimed: bool) -> None:
    """Without the claim each of them would find that nothing is done yet."""
    together = threading.Barrier(4)
    refused: list[str] = []

    def work(claim: Claim) -> Answer:
        Customer.objects.create(name="Hana")
        return Answer(201, b"{}")

    def run() -> None:
        try:
            together.wait(10)
            if is_claimed:
                answer_once(user=user, key="k", digest="d", work=work, is_final=lambda _answer: True)
            elif not IdempotencyKey.objects.filter(key="k").exists():
                together.wait(10)
                work(Claim(0, 0, {}))
        except KeyInFlight:
            refused.append("wait")
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names()) == (1 if is_claimed else 4)
