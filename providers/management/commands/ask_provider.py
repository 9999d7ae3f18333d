"""``manage.py ask_provider``: every question that a provider answers, from the command line; nothing is changed."""

import json
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from providers.account_tasks import mask_webhook_address
from providers.base import Provider
from providers.errors import ProviderError
from providers.redaction import redact
from providers.registry import configured_accounts, get_provider
from providers.types import Priority

Answer = Iterable[Any]


class Command(BaseCommand):
    help = (
        "Ask a provider account something and print the answer as JSON lines, secrets masked. "
        "Exit status 1 when the provider does not answer or says no, 2 for a wrong question."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="the account's slug")
        questions = parser.add_subparsers(dest="question", required=True, metavar="QUESTION")

        def add(name: str, words: str, *references: str) -> Any:
            sub = questions.add_parser(name, help=words)
            for reference in references:
                sub.add_argument(reference)
            return sub

        plans = add("plans", "the catalogue, plan by plan")
        plans.add_argument("--country", default="", help="two capital letters")
        plans.add_argument("--region", default="", help="the provider's own word for an area")
        add("plan", "one plan by any of its ids", "plan_ref")
        top_ups = add("top-ups", "what fits to a line now", "provider_ref")
        top_ups.add_argument("--iccid", default="")
        top_ups.add_argument("--plan", default="", help="the plan that the line was sold with")
        add("transaction", "the lines of a transaction or order of the provider's", "transaction_id")
        find = add("find-order", "an order by our own key", "key")
        find.add_argument("--since", type=read_moment, default=None, help="when it was sent at the earliest")
        add("line", "one line", "provider_ref")
        add("order-lines", "all lines of one of the provider's orders", "order_ref")
        lines = add("lines", "every line sold in a time")
        lines.add_argument("--since", type=read_moment, required=True, help="2026-05-01 or 2026-05-01T12:00Z")
        lines.add_argument("--until", type=read_moment, default=None, help="now, where it is left out")
        usage = add("usage", "the use of some lines")
        usage.add_argument("provider_refs", nargs="+")
        add("balance", "our prepaid money")
        add("regions", "the areas that plans are sold for")
        add("webhook", "the address that the provider calls")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["account"]
        if slug not in configured_accounts():
            raise CommandError(f"{slug!r} is not a configured provider account.", returncode=2)
        try:
            provider = get_provider(slug)
            for item in _QUESTIONS[options["question"]](provider, options):
                self.stdout.write(json.dumps(redact(_plain(item)), ensure_ascii=False))
        except ProviderError as error:
            code = f" ({error.code})" if error.code else ""
            raise CommandError(f"{type(error).__name__}: {error.message}{code}", returncode=1) from error
        except (ImproperlyConfigured, ValueError) as error:
            raise CommandError(str(error), returncode=2) from error


def read_moment(text: str) -> datetime:
    """A date or an instant; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date or an instant") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# -- the questions ----------------------------------------------------------------------------------------------------


def _plans(provider: Provider, options: Mapping[str, Any]) -> Answer:
    for page in provider.list_plans(country=options["country"], region=options["region"], include_roaming=True):
        yield from page.offers
        yield from page.faults


def _find_order(provider: Provider, options: Mapping[str, Any]) -> Answer:
    found = provider.find_order(options["key"], sent_at=options["since"] or timezone.now() - timedelta(days=1))
    return [found] if found else []


def _usage(provider: Provider, options: Mapping[str, Any]) -> Answer:
    refs = options["provider_refs"]
    for at in range(0, len(refs), provider.usage_batch):
        yield from provider.read_usage(refs[at : at + provider.usage_batch], priority=Priority.PEOPLE)


def _webhook(provider: Provider, _options: Mapping[str, Any]) -> Answer:
    address = provider.read_webhook_address()
    return [{"webhook": mask_webhook_address(provider, address)}]


_QUESTIONS: Mapping[str, Callable[[Provider, Mapping[str, Any]], Answer]] = {
    "plans": _plans,
    "plan": lambda provider, options: [provider.read_plan(options["plan_ref"])],
    "top-ups": lambda provider, options: provider.list_top_ups(
        provider_ref=options["provider_ref"], iccid=options["iccid"], plan_ref=options["plan"]
    ),
    "transaction": lambda provider, options: [provider.read_transaction(options["transaction_id"])],
    "find-order": _find_order,
    "line": lambda provider, options: [provider.read_line(options["provider_ref"], priority=Priority.PEOPLE)],
    "order-lines": lambda provider, options: provider.read_order_lines(options["order_ref"], priority=Priority.PEOPLE),
    "lines": lambda provider, options: provider.list_lines(
        since=options["since"], until=options["until"] or timezone.now()
    ),
    "usage": _usage,
    "balance": lambda provider, _options: [provider.read_balance()],
    "regions": lambda provider, _options: provider.read_regions(),
    "webhook": _webhook,
}


# -- writing down -----------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """A value of ours as JSON takes it; what is not reported stays null."""
    if hasattr(value, "__dataclass_fields__"):
        value = asdict(value)
    if isinstance(value, Mapping):
        # The provider's own data is in the call log; here it would only repeat.
        return {str(name): _plain(item) for name, item in value.items() if name != "raw"}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
