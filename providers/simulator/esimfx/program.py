"""Command line options of Nomad eSIMfx and the system that they make."""

import argparse
from decimal import Decimal, InvalidOperation

from providers.simulator.esimfx.account import DEFAULT_THRESHOLDS
from providers.simulator.esimfx.catalogue import DEFAULT_PRODUCTS
from providers.simulator.esimfx.system import DEFAULT_BLOCK_PATH, ENDPOINTS, EsimfxSystem, Options
from providers.simulator.system import Core, System


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, all named `--esimfx-…`."""
    add = parser.add_argument_group("Nomad eSIMfx").add_argument
    add("--esimfx-client-id", default="demo-client", help="client_id (default %(default)s)")
    add("--esimfx-client-key", default="demo-client-key", help="client_key (default %(default)s)")
    products_help = "products in a new state's catalogue (default %(default)s)"
    add("--esimfx-products", type=int, default=DEFAULT_PRODUCTS, help=products_help)
    balance_help = "first balance in US dollars (default %(default)s)"
    add("--esimfx-balance", type=parse_amount, default=Decimal("5000.00"), help=balance_help)
    fee_help = "what a new eSIM costs beside its package, in US dollars (default %(default)s)"
    add("--esimfx-esim-fee", type=parse_amount, default=Decimal("0.30"), help=fee_help)
    path_help = "where an eSIM is blocked (default %(default)s)"
    add("--esimfx-block-path", type=parse_path, default=DEFAULT_BLOCK_PATH, metavar="/PATH", help=path_help)
    add("--esimfx-webhook-url", default="", help="where webhooks go from the start; empty sends none (default)")
    add("--esimfx-webhook-token", default="demo-webhook-token", help="their header `token` (default %(default)s)")
    limit_help = f"calls a minute of an endpoint ({', '.join(ENDPOINTS)}) or * for all together; repeatable"
    add("--esimfx-limit", type=parse_limit, action="append", default=[], metavar="ENDPOINT=N", help=limit_help)


def build_systems(core: Core, options: argparse.Namespace) -> list[System]:
    """The one account."""
    limits: dict[str, int | None] = dict.fromkeys((*ENDPOINTS, "*"))
    chosen = Options(
        client_id=options.esimfx_client_id,
        client_key=options.esimfx_client_key,
        block_path=options.esimfx_block_path,
        limits={**limits, **dict(options.esimfx_limit)},
        products=options.esimfx_products,
        seed=options.seed,
        balance=options.esimfx_balance,
        esim_fee=options.esimfx_esim_fee,
        webhook_url=options.esimfx_webhook_url,
        webhook_token=options.esimfx_webhook_token,
        thresholds=DEFAULT_THRESHOLDS,
    )
    return [EsimfxSystem(core, chosen)]


def parse_amount(text: str) -> Decimal:
    """`100` or `99.50`."""
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{text}: not an amount") from error
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"{text}: not an amount from 0")
    return amount


def parse_path(text: str) -> str:
    """`/order/api/v1/block_esim`."""
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text}: a path begins with a slash")
    return text


def parse_limit(text: str) -> tuple[str, int]:
    """`order=10`."""
    name, _, value = text.partition("=")
    if name not in (*ENDPOINTS, "*") or not (value.isascii() and value.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text}: expected ENDPOINT=N with one of {', '.join(ENDPOINTS)}, *")
    return name, int(value)
