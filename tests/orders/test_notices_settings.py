"""The settings of notifications name what there is."""

from typing import Any

import pytest
from pytest_django import Settings

from orders.checks import check_notifications


def found(settings: Settings, name: str, value: Any) -> list[tuple[str | None, str | None]]:
    setattr(settings, name, value)
    return [(message.id, message.hint) for message in check_notifications(None)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFICATION_OFF", []),
        ("NOTIFICATION_OFF", ["usage", "parked_delivery"]),
        ("NOTIFICATION_FEED_ONLY", ["last_day"]),
        ("NOTIFICATION_SMS", ["usage", "used_up"]),
    ],
)
def test_kinds_that_there_are_are_fine(name: str, value: list[str], settings: Settings) -> None:
    assert found(settings, name, value) == []


@pytest.mark.parametrize("name", ["NOTIFICATION_OFF", "NOTIFICATION_FEED_ONLY", "NOTIFICATION_SMS"])
def test_a_misspelt_kind_is_named_with_what_was_meant(name: str, settings: Settings) -> None:
    assert found(settings, name, ["usage", "last-day"]) == [("orders.E004", "Did you mean last_day?")]


@pytest.mark.parametrize("name", ["NOTIFICATION_FEED_ONLY", "NOTIFICATION_SMS"])
def test_staff_have_no_app_and_no_line(name: str, settings: Settings) -> None:
    ((message_id, hint),) = found(settings, name, ["low_balance"])
    assert message_id == "orders.E004"
    assert hint is not None
    assert "low_balance" not in hint


@pytest.mark.parametrize("name", ["NOTIFICATION_CODE_HOURS", "NOTIFICATION_CONTENT_DAYS"])
def test_times_are_above_nothing(name: str, settings: Settings) -> None:
    assert found(settings, name, 0) == [("orders.E005", None)]
