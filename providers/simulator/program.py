"""The program: options, assembly, start and clean end."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType

from providers.simulator.books import Books
from providers.simulator.clock import Clock
from providers.simulator.control import Control
from providers.simulator.esim_access import system as esim_access
from providers.simulator.esim_commerce.catalogue import DEFAULT_PLANS, DEFAULT_SEED
from providers.simulator.esim_commerce.system import DEFAULT_LIMITS, DEFAULT_PATHS, CommerceSystem, Options
from providers.simulator.esimfx import program as esimfx
from providers.simulator.faults import FaultBook
from providers.simulator.freebit import system as freebit
from providers.simulator.http_server import Server
from providers.simulator.limits import LimitTable, RateLimiter, monotonic_seconds
from providers.simulator.pipeline import Patience, Pipeline
from providers.simulator.store import StateError, Store
from providers.simulator.stripe import system as stripe
from providers.simulator.switches import Switches
from providers.simulator.system import Core, System
from providers.simulator.ticker import Ticker
from providers.simulator.webhooks import WebhookSender


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status (2: the state or the address cannot be used)."""
    options = build_parser().parse_args(arguments)
    try:
        store = Store(options.state)
        patience = Patience()
        server = build_server(store, patience, options)
    except (StateError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2

    def stop(number: int, frame: FrameType | None) -> None:
        # `shutdown` waits for the loop that this handler interrupts, so it needs a thread of its own.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    host, port = server.server_address[0], server.server_address[1]
    print(f"listening on http://{host!s}:{port}", flush=True)
    server.serve_forever(poll_interval=0.05)
    patience.send_all_away()
    server.server_close()
    store.close()
    return 0


def build_server(store: Store, patience: Patience, options: argparse.Namespace) -> Server:
    """Put the parts together and bind the address. Raises OSError."""
    clock = Clock(store)
    webhooks = WebhookSender(store, clock, hosts=options.webhook_host)
    books = Books(store, clock, webhooks)
    core = Core(store=store, clock=clock, books=books, switches=Switches(store), webhooks=webhooks)
    systems = build_systems(core, options)
    limiter = RateLimiter(
        store,
        {system.name: LimitTable(system.limits, system.limit_window_s, system.limit_slides) for system in systems},
        options.rate_multiplier,
        lambda: clock.now().timestamp() if core.switches["rate_clock"] == "simulated" else monotonic_seconds(),
    )
    faults = FaultBook(store)
    pipeline = Pipeline(core=core, systems=systems, limiter=limiter, faults=faults, patience=patience)
    ticker = Ticker(core, systems)
    control = Control(core=core, systems=systems, limiter=limiter, faults=faults, patience=patience, ticker=ticker)
    server = Server((options.host, options.port), pipeline.answer, control.answer)
    ticker.start()
    return server


def build_systems(core: Core, options: argparse.Namespace) -> list[System]:
    """Every system of every provider; a new provider adds its own here."""
    limits: Mapping[str, int | None] = {**DEFAULT_LIMITS, **dict(options.limit)}
    production = Options(
        key_id=options.key_id,
        key_secret=options.key_secret,
        paths={**DEFAULT_PATHS, **options.paths},
        limits=limits,
        smdp="smdp.simulator.example",
        plans=options.plans,
        seed=options.seed,
    )
    sandbox = Options(
        key_id=options.sandbox_key_id,
        key_secret=options.sandbox_key_secret,
        paths={**DEFAULT_PATHS, **options.sandbox_paths},
        limits=limits,
        smdp="smdp.sandbox.simulator.example",
        plans=options.plans,
        seed=options.seed,
    )
    return [
        CommerceSystem(core, sandbox=False, options=production),
        CommerceSystem(core, sandbox=True, options=sandbox),
        *esim_access.build_systems(core, options),
        *esimfx.build_systems(core, options),
        *freebit.build_systems(core, options),
        *stripe.build_systems(core, options),
    ]


def build_parser() -> argparse.ArgumentParser:
    """The command line; the management command passes it on as it is."""
    parser = argparse.ArgumentParser(
        prog="simulator", description="Serve the providers' wire formats locally, with state, a clock and faults."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to bind (default %(default)s)")
    add("--port", type=int, default=0, help="port to bind; 0 takes a free one (default)")
    add("--state", help="SQLite file that keeps everything; without it, all is in memory")
    add("--plans", type=int, default=DEFAULT_PLANS, help="plans in a new state's catalogue (default %(default)s)")
    add("--seed", type=int, default=DEFAULT_SEED, help="another seed makes another catalogue (default %(default)s)")
    add("--key-id", default="demo-key", help="production key (default %(default)s)")
    add("--key-secret", default="demo-secret", help="production secret (default %(default)s)")
    add("--sandbox-key-id", default="demo-sandbox-key", help="sandbox key (default %(default)s)")
    add("--sandbox-key-secret", default="demo-sandbox-secret", help="sandbox secret (default %(default)s)")
    add("--paths", type=parse_paths, default={}, metavar="JSON", help='e.g. {"order": "POST /v2/orders"}')
    add("--sandbox-paths", type=parse_paths, default={}, metavar="JSON", help="the same for the sandbox")
    limit_help = f"calls a minute of an endpoint ({', '.join(DEFAULT_LIMITS)}), or ENDPOINT=none; repeatable"
    add("--limit", type=parse_limit, action="append", default=[], metavar="ENDPOINT=N", help=limit_help)
    webhook_help = "name beside the loopback addresses that webhooks may be sent to, for containers; repeatable"
    add("--webhook-host", action="append", default=[], metavar="NAME", help=webhook_help)
    add("--rate-multiplier", type=float, default=1.0, help="multiplies all limits; 0 lifts them (default %(default)s)")
    esim_access.add_arguments(parser)
    esimfx.add_arguments(parser)
    freebit.add_arguments(parser)
    stripe.add_arguments(parser)
    return parser


def parse_paths(text: str) -> dict[str, str]:
    """A path table such as `{"plans": "GET /esim/plans"}`; what it leaves out keeps its default."""
    try:
        table = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(table, dict):
        raise argparse.ArgumentTypeError("not a JSON object")
    for name, value in table.items():
        method, _, template = value.partition(" ") if isinstance(value, str) else ("", "", "")
        if name not in DEFAULT_PATHS or not method.isupper() or not template.startswith("/"):
            raise argparse.ArgumentTypeError(f"{name}: expected one of {', '.join(DEFAULT_PATHS)} and 'METHOD /path'")
    return {str(name): str(value) for name, value in table.items()}


def parse_limit(text: str) -> tuple[str, int | None]:
    """`order=10`, or `order=none`."""
    name, _, value = text.partition("=")
    if name not in DEFAULT_LIMITS or not (value == "none" or value.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text}: expected ENDPOINT=N with one of {', '.join(DEFAULT_LIMITS)}")
    return name, None if value == "none" else int(value)
