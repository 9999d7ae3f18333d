"""All settings, read from the environment. ``docs/environment.md`` lists them.

No secret has a default outside the demo and the tests: those set ``ROAMDESK_DEMO=1`` and get throw-away values.
"""

from pathlib import Path
from typing import Any

import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config import settings_api
from config.environment import BASE_DIR, env
from config.logs import hide_addresses, tell_exception
from config.settings_api import *  # noqa: F403
from config.settings_brand import *  # noqa: F403
from config.settings_notices import *  # noqa: F403  (settings are what this module holds)

DEMO = env.bool("ROAMDESK_DEMO", default=False)
DEBUG = env.bool("DEBUG", default=False)
VAR_DIR = Path(env.str("ROAMDESK_VAR", default=str(BASE_DIR / "var")))


def secret(name: str) -> str:
    """A secret from the environment; the demo office gets a throw-away one."""
    value: str = env.str(name, default="demo-only-" + name.lower() * 3 if DEMO else "")
    if not value:
        raise ImproperlyConfigured(f"Set {name} in the environment (the demo and the tests set ROAMDESK_DEMO=1).")
    return value


SECRET_KEY = secret("SECRET_KEY")
#: One or more keys, comma separated; the first encrypts, all decrypt.
FIELD_ENCRYPTION_KEYS = [key.strip() for key in secret("FIELD_ENCRYPTION_KEYS").split(",") if key.strip()]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"] if DEMO else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
#: The address under which people reach the console, for links in messages.
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000" if DEMO else "")

INSTALLED_APPS = [
    "config.apps.RoamdeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    *settings_api.API_APPS,
    "csp",
    "django_htmx",
    "rest_framework",
    "providers",
    "catalog",
    "customers",
    "esims",
    "orders",
    "config.apps.ConfigConfig",
    # Behind ours: ``orders`` has a ``qcluster`` that looks after itself.
    "django_q",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.RequestIdMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "customers.middleware.PersonalSettingsMiddleware",
    "customers.middleware.SecondFactorMiddleware",
    "customers.middleware.LockOutMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.SignInBodies",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "config.context_processors.site",
            ],
            "builtins": ["config.templatetags.roamdesk"],
        },
    }
]

# -- Database ---------------------------------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'roamdesk.sqlite3'}")
}
_database = DATABASES["default"]
_database["ATOMIC_REQUESTS"] = False
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # Writers queue for the lock at BEGIN instead of failing at their first write.
    _database["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
    # An in-memory test database is not shared between threads and processes, as workers need it.
    _database["TEST"] = {"NAME": env.str("TEST_SQLITE_NAME", default=str(VAR_DIR / "test.sqlite3"))}
else:
    # No pool: django-q2's workers lose tasks with it.
    _database["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    _database["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    # Limits rely on it, so it is shared by all processes: the database, or Redis where there is one.
    "default": (
        env.cache("CACHE_URL")
        if env.str("CACHE_URL", default="")
        else {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "roamdesk_cache"}
    )
}

# -- People -----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "customers.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "customers.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""

EMAIL_CONFIG = env.email("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_BACKEND = env.str("EMAIL_BACKEND", default=EMAIL_CONFIG["EMAIL_BACKEND"])
#: Without one a mail server that says nothing would hold a worker for ever. Ours.
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=30)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Roamdesk <desk@roamdesk.example>")

# -- Language, time, money --------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ja", _("Japanese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
#: The house currency: prices that staff type in without naming another.
CURRENCY = env.str("CURRENCY", default="USD")
#: No retail price falls below net price plus this many percent of it, whoever set it.
PRICE_FLOOR_PERCENT = env.float("PRICE_FLOOR_PERCENT", default=0.0)
#: A sync that would retire more than this share of an account's plans asks a person first.
SYNC_RETIRE_SHARE = env.float("SYNC_RETIRE_SHARE", default=0.2)

# -- Pages and their safety -------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEMO or DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = DEMO or DEBUG
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}
SECURE = env.bool("SECURE", default=not DEMO)
SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000) if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_REFERRER_POLICY = "same-origin"
#: How many proxies of ours stand in front and each add the caller's address to X-Forwarded-For; 0: believe nobody.
TRUSTED_PROXY_HOPS = env.int("TRUSTED_PROXY_HOPS", default=0)
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 60 * 60 * 12
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "config.views.csrf_failure"
#: Probes come from inside, in plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]

# -- Jobs (the sharp edges are explained in docs/architecture.md) -----------------------------------------------------

#: One cluster per queue in production; one for all where nothing else is said.
SEPARATE_QUEUES = env.bool("SEPARATE_QUEUES", default=False)
_queue_names = ("orders", "webhooks", "refresh", "catalogue")
#: purpose -> cluster name, for ``async_task(..., cluster=settings.QUEUES["orders"])``
QUEUES = {name: name if SEPARATE_QUEUES else "roamdesk" for name in _queue_names}
JOB_TIMEOUT = env.int("JOB_TIMEOUT", default=600)
Q_CLUSTER: dict[str, Any] = {
    "name": "roamdesk",
    "orm": "default",
    "workers": env.int("WORKERS", default=2),
    "timeout": JOB_TIMEOUT,
    # ``retry`` counts from the fetch, not from the start: a prefetched job must not come up twice.
    "retry": JOB_TIMEOUT * 4 + 60,
    "queue_limit": 2,
    "bulk": 1,
    # Jobs keep their own attempts on their own rows; the queue's own counters are of no use for money.
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": 0,
    "catch_up": False,
    "poll": env.float("QUEUE_POLL_SECONDS", default=0.1),
    "label": _("Jobs"),
    "ALT_CLUSTERS": {name: {} for name in _queue_names} if SEPARATE_QUEUES else {},
}

# -- Wholesalers (what each document leaves open is a setting; see docs/providers/) -----------------------------------

HTTP_CONNECT_TIMEOUT = env.float("HTTP_CONNECT_TIMEOUT", default=10.0)
HTTP_READ_TIMEOUT = env.float("HTTP_READ_TIMEOUT", default=60.0)
#: A thousand eSIMs come in one reply.
HTTP_ORDER_READ_TIMEOUT = env.float("HTTP_ORDER_READ_TIMEOUT", default=180.0)


def json_setting(name: str) -> Any:
    """A variable that holds a JSON object; {} where it is not set."""
    try:
        return env.json(name, default={})
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not JSON: {error}") from error


def esim_commerce(prefix: str, *, sandbox: bool) -> dict[str, Any]:
    """The settings of one eSIM Commerce contract: production and sandbox are two systems with two key pairs."""
    return {
        "adapter": "esim_commerce",
        "name": "eSIM Commerce (sandbox)" if sandbox else "eSIM Commerce",
        "sandbox": sandbox,
        "url": env.str(f"{prefix}_URL", default=""),
        "key_id": env.str(f"{prefix}_KEY_ID", default=""),
        "key_secret": env.str(f"{prefix}_KEY_SECRET", default=""),
        # The currency of netPrice is knowledge of the contract; nothing is assumed.
        "currency": env.str(f"{prefix}_CURRENCY", default=""),
        "paths": json_setting(f"{prefix}_PATHS"),
        "limits": json_setting(f"{prefix}_LIMITS"),
        # What a refusal means, by HTTP status or code word: the documents show no error shapes.
        "refusals": json_setting(f"{prefix}_REFUSALS"),
    }


def freebit() -> dict[str, Any]:
    """The settings of the OEM contract with freebit (PA05-41)."""
    return {
        "adapter": "freebit",
        "name": "freebit",
        "url": env.str("FREEBIT_URL", default=""),
        "oem_id": env.str("FREEBIT_OEM_ID", default=""),
        "oem_key": env.str("FREEBIT_OEM_KEY", default=""),
        # Which fields a plan needs depends on the contract's User Management Service.
        "uses_ums": env.bool("FREEBIT_USES_UMS", default=False),
        # The document refuses operated lines (ALADIN 10) that are not new, and prints two examples of them.
        "allow_aladin_other": env.bool("FREEBIT_ALLOW_ALADIN_OTHER", default=False),
        "paths": json_setting("FREEBIT_PATHS"),
        "limits": json_setting("FREEBIT_LIMITS"),
        "key_minutes": env.int("FREEBIT_KEY_MINUTES", default=30),
        "busy_seconds": env.int("FREEBIT_BUSY_SECONDS", default=60),
        # The completion file is defined in another document, which we do not have.
        "completion_columns": json_setting("FREEBIT_COMPLETION_COLUMNS"),
        "completion_encoding": env.str("FREEBIT_COMPLETION_ENCODING", default="auto"),
        "completion_words": json_setting("FREEBIT_COMPLETION_WORDS"),
        "completion_dates": json_setting("FREEBIT_COMPLETION_DATES"),
    }


def esimfx() -> dict[str, Any]:
    """The settings of the reseller account at Nomad eSIMfx."""
    return {
        "adapter": "esimfx",
        "name": "Nomad eSIMfx",
        # The portal shows it: Reseller, API domain.
        "url": env.str("ESIMFX_URL", default=""),
        "client_id": env.str("ESIMFX_CLIENT_ID", default=""),
        "client_key": env.str("ESIMFX_CLIENT_KEY", default=""),
        "webhook_token": env.str("ESIMFX_WEBHOOK_TOKEN", default=""),
        "webhook_secret": env.str("ESIMFX_WEBHOOK_SECRET", default=""),
        # The document names the blocking of an eSIM and not its path: without one there is no such button.
        "block_path": env.str("ESIMFX_BLOCK_PATH", default=""),
        "bare_token": env.bool("ESIMFX_BARE_TOKEN", default=False),
        "products_version": env.str("ESIMFX_PRODUCTS_VERSION", default="2"),
        "page_size": env.int("ESIMFX_PAGE_SIZE", default=99),
        "balance_currency": env.str("ESIMFX_BALANCE_CURRENCY", default="USD"),
        "paths": json_setting("ESIMFX_PATHS"),
        "limits": json_setting("ESIMFX_LIMITS"),
        # What a refusal means, by the envelope's code or by HTTP status: the document names none.
        "refusals": json_setting("ESIMFX_REFUSALS"),
    }


def esim_access() -> dict[str, Any]:
    """The settings of one eSIM Access account. There is no sandbox."""
    return {
        "adapter": "esim_access",
        "name": "eSIM Access",
        "url": env.str("ESIM_ACCESS_URL", default=""),
        "code": env.str("ESIM_ACCESS_CODE", default=""),
        # With it every call is signed.
        "secret_key": env.str("ESIM_ACCESS_SECRET_KEY", default=""),
        # Webhooks are not signed: without an unguessable part in their path none are taken.
        "webhook_secret": env.str("ESIM_ACCESS_WEBHOOK_SECRET", default=""),
        "webhook_ips": env.list("ESIM_ACCESS_WEBHOOK_IPS", default=[]),
        "check_prices": env.bool("ESIM_ACCESS_CHECK_PRICES", default=True),
        "packages_timeout": env.float("ESIM_ACCESS_PACKAGES_TIMEOUT", default=180.0),
        # Ours: the live service was seen to charge 4.4 % less than it lists, once.
        "charged_less_percent": env.str("ESIM_ACCESS_CHARGED_LESS_PERCENT", default="0"),
        "limits": json_setting("ESIM_ACCESS_LIMITS"),
        "refusals": json_setting("ESIM_ACCESS_REFUSALS"),
    }


PROVIDERS: dict[str, dict[str, Any]] = {
    "esim-commerce": esim_commerce("ESIM_COMMERCE", sandbox=False),
    "esim-commerce-sandbox": esim_commerce("ESIM_COMMERCE_SANDBOX", sandbox=True),
    "esim-access": esim_access(),
    "esimfx": esimfx(),
    "freebit": freebit(),
}
# -- Buying (docs/purchase-protocol.md) -------------------------------------------------------------------------------

#: eSIMs in one order of a customer; a provider's own limit only splits it into several purchases.
ORDER_MAX_QUANTITY = env.int("ORDER_MAX_QUANTITY", default=1000)
#: Hours after which an order that nobody paid expires; 0: never. Ours: a bank transfer over a weekend arrives in time.
ORDER_EXPIRES_HOURS = env.float("ORDER_EXPIRES_HOURS", default=72.0)
#: Minutes for which a package that a provider named for a line may be sold for it. Ours: as long as a talk lasts.
TOP_UP_OFFER_MINUTES = env.float("TOP_UP_OFFER_MINUTES", default=15.0)
#: Waits between tries double from the first of these to the second. Ours: no document says anything.
PURCHASE_RETRY_SECONDS = env.float("PURCHASE_RETRY_SECONDS", default=5.0)
PURCHASE_RETRY_CAP_SECONDS = env.float("PURCHASE_RETRY_CAP_SECONDS", default=300.0)
#: After so many tries in a row in which nothing could be sent, a person is asked. Ours: about an hour and a half.
PURCHASE_NOT_SENT_LIMIT = env.int("PURCHASE_NOT_SENT_LIMIT", default=20)
#: A repeatable order without an answer is asked again, with its key, for so long. Ours: far below the keys' life.
PURCHASE_REPEAT_HOURS = env.float("PURCHASE_REPEAT_HOURS", default=72.0)
#: Fewer lines than ordered are final when so many inquiries in a row, so far apart, named as many. Ours.
PURCHASE_INQUIRY_CONFIRMATIONS = env.int("PURCHASE_INQUIRY_CONFIRMATIONS", default=2)
PURCHASE_INQUIRY_SPACING_SECONDS = env.float("PURCHASE_INQUIRY_SPACING_SECONDS", default=60.0)
#: So many refusals of one transaction ("unknown id") in a row of inquiries end them: a person looks. Ours.
PURCHASE_INQUIRY_REFUSALS = env.int("PURCHASE_INQUIRY_REFUSALS", default=3)
#: Inquiries stop so long before the provider's own window closes (whose zone and rounding are not given).
PURCHASE_INQUIRY_MARGIN_MINUTES = env.float("PURCHASE_INQUIRY_MARGIN_MINUTES", default=60.0)

# -- Comparing with the providers (docs/reconciliation.md) ------------------------------------------------------------

#: Minutes between two comparisons of every account, and the hour (of TIME_ZONE) at which the first begins.
COMPARE_MINUTES = env.int("COMPARE_MINUTES", default=24 * 60)
COMPARE_HOUR = env.int("COMPARE_HOUR", default=3)
#: Lines sold longer ago are not compared where a provider lists its lines by time. Ours.
COMPARE_DAYS = env.int("COMPARE_DAYS", default=400)
#: Lines that are read one by one in a run where a provider lists none. Ours: a minute or two of eSIM Commerce's budget.
COMPARE_READS = env.int("COMPARE_READS", default=60)
#: What was sold so short a time ago may still be on its way into our books. Ours.
COMPARE_SETTLING_MINUTES = env.float("COMPARE_SETTLING_MINUTES", default=15.0)

# -- Cards (docs/payments.md) -----------------------------------------------------------------------------------------

#: The payment service's own address; the tests and the demo set the simulator's.
STRIPE_URL = env.str("STRIPE_URL", default="https://api.stripe.com")
#: All three or none: without them no payment by card is offered.
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_PUBLISHABLE_KEY = env.str("STRIPE_PUBLISHABLE_KEY", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_CONNECT_TIMEOUT = env.float("STRIPE_CONNECT_TIMEOUT", default=10.0)
STRIPE_READ_TIMEOUT = env.float("STRIPE_READ_TIMEOUT", default=30.0)
#: The service is asked by itself what became of a payment or a refund; the waits double from the first to the second.
#: Ours: its webhook is quicker, and this is for those that are lost.
CARD_CHECK_SECONDS = env.float("CARD_CHECK_SECONDS", default=15.0)
CARD_CHECK_CAP_SECONDS = env.float("CARD_CHECK_CAP_SECONDS", default=900.0)

# -- Keeping house ----------------------------------------------------------------------------------------------------

#: Days that a provider call stays in the log, and an encrypted raw reply with its purchase attempt.
CALL_LOG_DAYS = env.int("CALL_LOG_DAYS", default=30)
RAW_REPLY_DAYS = env.int("RAW_REPLY_DAYS", default=90)
#: Days that a webhook delivery which was worked off is kept.
DELIVERY_DAYS = env.int("DELIVERY_DAYS", default=90)
#: Days that the form of an activation may wait, unpaid or held, before it is erased. Ours: longer than a month, because
#: a device that has had all its activations of this month is served in the next.
ACTIVATION_FORM_DAYS = env.int("ACTIVATION_FORM_DAYS", default=40)
#: Days that every reading of a line's total use is kept; of older ones the last of each day stays.
USAGE_SAMPLE_DAYS = env.int("USAGE_SAMPLE_DAYS", default=14)
#: Days that the rows of finished jobs are kept.
JOB_LOG_DAYS = env.int("JOB_LOG_DAYS", default=7)
#: Minutes between two readings of every account's catalogue.
CATALOG_SYNC_MINUTES = env.int("CATALOG_SYNC_MINUTES", default=360)
#: Minutes between two readings of every account's balance, where the provider tells it.
BALANCE_MINUTES = env.int("BALANCE_MINUTES", default=60)
#: A job that waits longer, or a worker that is silent longer, raises the alarm.
JOB_ALARM_SECONDS = env.int("JOB_ALARM_SECONDS", default=120)
#: A worker that has begun nothing for so long, and shows no work, starts itself again. Longer than any reading takes.
JOB_FREEZE_SECONDS = env.int("JOB_FREEZE_SECONDS", default=300)

# -- Logs -------------------------------------------------------------------------------------------------------------

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Without it a failure leaves no more than the name of its exception.
                tell_exception,
                hide_addresses,
                (
                    structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])
                    if DEMO
                    else structlog.processors.JSONRenderer()
                ),
            ],
            "foreign_pre_chain": [
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {"django.server": {"level": "WARNING"}},
}
REST_FRAMEWORK = settings_api.rest_framework(proxies=TRUSTED_PROXY_HOPS)
