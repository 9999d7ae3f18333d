"""Webhooks as such: sent for real, held back, turned round, lost, repeated; whoever the provider is."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.simulator_client import ControlRefused, Simulator
from tests.simulator_webhooks import Receiver, Webhooks


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def webhooks(simulator: Simulator) -> Webhooks:
    return Webhooks(simulator)


def send(webhooks: Webhooks, url: str, *numbers: int) -> list[int]:
    return [webhooks.send(system="access", kind="TEST", url=url, body={"n": number}) for number in numbers]


def numbers_of(receiver: Receiver, count: int) -> list[int]:
    return [received.json["n"] for received in receiver.wait_for(count)]


def test_one_is_posted_with_its_headers_and_stands_in_the_books(
    simulator: Simulator, webhooks: Webhooks, receiver: Receiver
) -> None:
    webhook_id = webhooks.send(
        system="access", kind="TEST", url=f"{receiver.url}?a=1", body='{"n": 1 }', headers={"X-Token": "t"}
    )
    [received] = receiver.wait_for(1)
    assert (received.path, received.body) == ("/hook?a=1", b'{"n": 1 }')
    assert (received.headers["x-token"], received.headers["content-type"]) == ("t", "application/json")
    [entry] = webhooks.wait_until_sent()
    assert (entry["id"], entry["kind"], entry["state"], entry["status"]) == (webhook_id, "TEST", "sent", 200)
    assert (entry["attempts"], entry["error"], entry["body"]) == (1, None, '{"n": 1 }')
    assert Webhooks(simulator, "commerce").list_all() == []


def test_an_error_status_is_kept_and_not_repeated(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.status = 503
    send(webhooks, receiver.url, 1)
    [entry] = webhooks.wait_until_sent()
    assert (entry["state"], entry["status"], entry["attempts"]) == ("sent", 503, 1)
    assert len(receiver.received) == 1


def test_a_redirect_is_not_followed(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.status = 302
    send(webhooks, receiver.url, 1)
    assert [entry["status"] for entry in webhooks.wait_until_sent()] == [302]


def test_nobody_else_is_ever_called(webhooks: Webhooks) -> None:
    for url in ("http://192.0.2.1/hook", "http://0.0.0.0/hook", "ftp://127.0.0.1/hook", "hook"):
        send(webhooks, url, 1)
    assert {(entry["state"], entry["status"]) for entry in webhooks.wait_until_sent()} == {("failed", None)}
    assert "loopback" in webhooks.list_all()[0]["error"]


def test_pause_holds_them_back_and_resume_can_turn_them_round(webhooks: Webhooks, receiver: Receiver) -> None:
    webhooks.pause()
    send(webhooks, receiver.url, 1, 2, 3)
    assert [entry["state"] for entry in webhooks.list_all()] == ["waiting"] * 3
    webhooks.resume("reverse")
    assert numbers_of(receiver, 3) == [3, 2, 1]
    webhooks.pause()
    send(webhooks, receiver.url, *range(10, 20))
    webhooks.resume("shuffle", seed=7)
    mixed = numbers_of(receiver, 13)[3:]
    assert (sorted(mixed), mixed == sorted(mixed)) == (list(range(10, 20)), False)
    send(webhooks, receiver.url, 20, 21)
    assert numbers_of(receiver, 15)[13:] == [20, 21]


def test_one_can_be_lost_and_another_repeated(webhooks: Webhooks, receiver: Receiver) -> None:
    webhooks.pause()
    first, second, third = send(webhooks, receiver.url, 1, 2, 3)
    assert webhooks.drop(second) == 1
    webhooks.resume()
    webhooks.wait_until_sent()
    webhooks.repeat(first)
    assert numbers_of(receiver, 3) == [1, 3, 1]
    entries = webhooks.wait_until_sent()
    assert [(entry["state"], entry["attempts"]) for entry in entries] == [("sent", 2), ("dropped", 0), ("sent", 1)]
    webhooks.pause()
    webhooks.repeat(third)
    assert webhooks.drop() == 1
    webhooks.resume()
    assert len(receiver.received) == 3
    webhooks.repeat(second)
    assert numbers_of(receiver, 4) == [1, 3, 1, 2]


def test_one_that_still_waits_is_repeated_too(webhooks: Webhooks, receiver: Receiver) -> None:
    webhooks.pause()
    [waiting] = send(webhooks, receiver.url, 1)
    webhooks.repeat(waiting)
    webhooks.resume()
    [entry] = webhooks.wait_until_sent()
    assert (entry["attempts"], numbers_of(receiver, 2)) == (2, [1, 1])


def test_what_does_not_exist_is_refused(webhooks: Webhooks) -> None:
    with pytest.raises(ControlRefused, match="no webhook 99"):
        webhooks.repeat(99)
    with pytest.raises(ControlRefused, match="No order 'sideways'"):
        webhooks.resume("sideways")


def test_a_reset_forgets_them_and_a_hanging_receiver_keeps_nobody_waiting(
    simulator: Simulator, webhooks: Webhooks, receiver: Receiver
) -> None:
    release = threading.Event()
    with Receiver(before_answer=lambda received: assert_waited(release)) as slow:
        send(webhooks, slow.url, 1)
        webhooks.pause()
        simulator.reset()
        assert webhooks.list_all() == []
        send(webhooks, receiver.url, 2)
        assert numbers_of(receiver, 1) == [2]
        release.set()


def assert_waited(release: threading.Event) -> None:
    assert release.wait(5)


def test_those_that_wait_survive_a_kill(start_simulator: Callable[..., Simulator], receiver: Receiver) -> None:
    simulator = start_simulator("--plans", "20")
    webhooks = Webhooks(simulator)
    webhooks.pause()
    send(webhooks, receiver.url, 1)
    simulator.kill()
    simulator.start()
    assert receiver.received == []
    webhooks.resume()
    assert numbers_of(receiver, 1) == [1]
