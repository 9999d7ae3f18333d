"""What the API takes and gives about orders, as the schema describes it. ``answers`` writes it."""

from typing import Any

from rest_framework import serializers

from orders.app_sales import APP_METHODS
from orders.models import OrderLine, Payment, Refund
from orders.selectors.app_orders import STATES
from providers.api import AmountField, MoneySerializer, PageParameters, PatternField, StrictSerializer, WholeField

_LARGEST_ID = 2**63 - 1
_MOST_DAYS = 10_000
STATE_WORDS = list(STATES.values())
METHODS = [method.value for method in APP_METHODS]
PAYMENT_METHODS, PAYMENT_STATES = Payment.Method.values, Payment.State.values
REFUND_KINDS, REFUND_STATES = Refund.Kind.values, Refund.State.values
ITEM_KINDS = OrderLine.Kind.values
_STATE_HELP = (
    "`awaiting_payment`: nothing is bought yet. `in_progress`: paid, being bought. `partly_delivered` and "
    "`not_delivered`: what is missing is paid back."
)


# -- what is sent -----------------------------------------------------------------------------------------------------


class AmountSerializer(StrictSerializer):
    """An exact amount of money, as it was read from an answer."""

    amount = AmountField()
    currency = PatternField(r"[A-Z]{3}", help_text="ISO 4217.")


class NewTopUpSerializer(StrictSerializer):
    """One of the options for a line."""

    plan_id = WholeField(min_value=1, max_value=_LARGEST_ID, help_text="`plan_id` of an option.")
    unit_price = AmountSerializer(help_text="The price that the app has shown, for all days together.")
    period_days = WholeField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=_MOST_DAYS,
        help_text="Needed where the days are chosen (`days_to_choose`), and only there.",
    )


class NewOrderSerializer(NewTopUpSerializer):
    """eSIMs of one plan."""

    plan_id = WholeField(min_value=1, max_value=_LARGEST_ID, help_text="`id` of a plan.")
    quantity = WholeField(required=False, default=1, min_value=1, max_value=100_000, help_text="eSIMs.")


class NewPaymentSerializer(StrictSerializer):
    """How the order is paid, and how much."""

    method = serializers.ChoiceField(choices=METHODS, help_text="Of `pay_by`.")
    amount = AmountSerializer(help_text="`outstanding` of the order, as the app has shown it.")


class OrderParameters(PageParameters):
    state = serializers.ListField(
        child=serializers.ChoiceField(choices=STATE_WORDS), required=False, help_text="Any of these."
    )
    scope = serializers.ChoiceField(
        choices=["own", "all"],
        required=False,
        default="own",
        help_text="`all`: every customer's, for staff who may see orders.",
    )


# -- what is answered -------------------------------------------------------------------------------------------------


class OrderSerializer(serializers.Serializer[Any]):
    """One order of a list."""

    number = serializers.CharField(help_text="Names the order, everywhere.")
    state = serializers.ChoiceField(choices=STATE_WORDS, help_text=_STATE_HELP)
    state_text = serializers.CharField(help_text="The state as a sentence, in the language asked for.")
    takes_longer = serializers.BooleanField(help_text="It is paid, and somebody is looking into it.")
    plan_name = serializers.CharField(help_text="Of the first line.")
    more_lines = serializers.IntegerField(help_text="Lines besides the first.")
    quantity = serializers.IntegerField(help_text="eSIMs, or packages for a line, that were ordered.")
    delivered = serializers.IntegerField(help_text="Of these, how many have come.")
    total = MoneySerializer()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Until when it can be paid; null: no end.")
    paid_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class OrderItemSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=ITEM_KINDS)
    plan_id = serializers.IntegerField()
    plan_name = serializers.CharField(help_text="As it was when it was ordered.")
    quantity = serializers.IntegerField()
    period_days = serializers.IntegerField(allow_null=True, help_text="Where the days were chosen.")
    unit_price = MoneySerializer(help_text="For all days together.")
    price = MoneySerializer(help_text="Of all of it.")
    esim_id = serializers.IntegerField(allow_null=True, help_text="The line that is topped up.")
    must_show = serializers.ListField(
        child=serializers.CharField(), help_text="Terms and rules to be shown before the order is paid."
    )


class OrderedEsimSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    iccid = serializers.CharField(help_text='"" where it is not known.')


class PaymentSheetSerializer(serializers.Serializer[Any]):
    """What the payment service's own sheet in the app is opened with."""

    intent_id = serializers.CharField()
    client_secret = serializers.CharField()
    publishable_key = serializers.CharField()


class PaymentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    method = serializers.ChoiceField(choices=PAYMENT_METHODS)
    state = serializers.ChoiceField(choices=PAYMENT_STATES)
    amount = MoneySerializer(help_text="What came; what is asked for while nothing has.")
    created_at = serializers.DateTimeField()
    captured_at = serializers.DateTimeField(allow_null=True)
    sheet = PaymentSheetSerializer(allow_null=True, help_text="While the payment waits for its customer's card.")


class RefundSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=REFUND_KINDS)
    state = serializers.ChoiceField(choices=REFUND_STATES)
    amount = MoneySerializer()
    created_at = serializers.DateTimeField()
    made_at = serializers.DateTimeField(allow_null=True)


class OrderDetailSerializer(OrderSerializer):
    """One order. An app shows ``must_show`` of its items before it lets the customer pay."""

    items = OrderItemSerializer(many=True)
    outstanding = MoneySerializer(help_text="What is still to be paid.")
    pay_by = serializers.ListField(
        child=serializers.ChoiceField(choices=METHODS),
        help_text="How the customer can pay it now; empty where nothing is to be paid.",
    )
    payments = PaymentSerializer(many=True)
    refunds = RefundSerializer(many=True)
    esims = OrderedEsimSerializer(many=True, help_text="The first hundred that have come.")
