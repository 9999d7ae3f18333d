"""The settings of the REST API and of its sign-in (docs/api.md)."""

import re
from decimal import Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config.environment import env


def read_percent(text: str) -> Decimal | None:
    """ "10" or "7.7"; None where nothing is set."""
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text):
        raise ImproperlyConfigured(f"RECEIPT_TAX_PERCENT: {text!r} is no percentage such as 10 or 7.7.")
    return Decimal(text)


def read_failures(name: str, default: str) -> str:
    """ "5/5m": so many failures in so long."""
    text: str = env.str(name, default=default)
    if not re.fullmatch(r"[1-9][0-9]{0,5}/[1-9][0-9]{0,5}[smhd]", text):
        raise ImproperlyConfigured(f"{name}: {text!r} is no number of failures in a time, such as 5/5m.")
    return text


#: Calls of one person or address: "" = no limit. Ours: an app that is used by a person stays far below.
API_RATES = {
    "api": env.str("API_RATE", default="300/min"),
    # What asks a provider, or draws a picture.
    "refresh": env.str("API_REFRESH_RATE", default="10/min"),
    # Orders and payments of one person.
    "order": env.str("API_ORDER_RATE", default="30/min"),
}
#: On receipts: the tax that prices include, in percent ("": nothing is said of tax), and the countries where use is
#: taxed (none: everywhere). A plan that works in none of them is written down as not taxed.
RECEIPT_TAX_PERCENT = read_percent(env.str("RECEIPT_TAX_PERCENT", default=""))
RECEIPT_TAX_COUNTRIES = env.list("RECEIPT_TAX_COUNTRIES", default=[])
#: Whether travellers may make an account themselves in the app. Staff are never made so.
API_SIGN_UP = env.bool("API_SIGN_UP", default=True)
#: Whether the app shows and sells plans of sandbox accounts, which connect nobody: for trying it out.
APP_SELLS_SANDBOX = env.bool("APP_SELLS_SANDBOX", default=False)
#: Days for which the answer to a request with an Idempotency-Key is kept. Ours: longer than any phone is off.
IDEMPOTENCY_DAYS = env.int("IDEMPOTENCY_DAYS", default=30)
#: Seconds after which a request that gave no answer counts as dead, so that the same key may go on. Ours: longer than a
#: web worker lives with one request.
IDEMPOTENCY_CLAIM_SECONDS = env.float("IDEMPOTENCY_CLAIM_SECONDS", default=120.0)
#: Whether members of staff need a second factor, in console, admin and API.
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", default=not env.bool("ROAMDESK_DEMO", default=False))
#: Hours for which the link of an invitation works. Ours: over a weekend.
STAFF_INVITATION_HOURS = env.float("STAFF_INVITATION_HOURS", default=72.0)
#: After so many failed sign-ins in so long nobody signs in to the account, or from the address. Ours; the same as
#: django-allauth's.
ACCOUNT_RATE_LIMITS = {
    "login_failed": ",".join(
        (
            read_failures("SIGN_IN_FAILURES_ADDRESS", "10/1m") + "/ip",
            read_failures("SIGN_IN_FAILURES_ACCOUNT", "5/5m") + "/key",
        )
    )
}

#: The way of push messages to phones, by its dotted path; "": none are sent.
PUSH_BACKEND = env.str("PUSH_BACKEND", default="")
PUSH_TIMEOUT = env.float("PUSH_TIMEOUT", default=10.0)
#: Of ``customers.push_fcm.FcmPush``: the JSON of a service account, and the service's own address.
FCM_CREDENTIALS = env.str("FCM_CREDENTIALS", default="")
FCM_URL = env.str("FCM_URL", default="https://fcm.googleapis.com")


def social_providers() -> dict[str, Any]:
    """``SOCIAL_SIGN_IN`` as allauth wants it: accounts elsewhere by which travellers may sign in."""
    try:
        named: dict[str, dict[str, Any]] = env.json("SOCIAL_SIGN_IN", default={})
        apps = [
            {
                "provider_id": name,
                "name": given.get("name", name),
                "client_id": given["client_id"],
                "settings": {"server_url": given["server_url"], "trust_email": given.get("trust_email") is True},
            }
            for name, given in named.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImproperlyConfigured(f"SOCIAL_SIGN_IN cannot be read: {error!r}") from error
    return {"openid_connect": {"APPS": apps}}


API_APPS = [
    "allauth.headless",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

#: Days after which travellers sign in again in the app; staff do so as in the console.
API_SESSION_DAYS = env.int("API_SESSION_DAYS", default=90)

ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_HOPS", default=0)
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "customers.accounts.TokenStrategy"  # noqa: S105 - a class
HEADLESS_SERVE_SPECIFICATION = False
ACCOUNT_SIGNUP_FORM_CLASS = "customers.signing_up.SignUpForm"
#: A change of address, password or second factor is told to the address that was there before.
ACCOUNT_EMAIL_NOTIFICATIONS = True
#: Before an address or a second factor is changed the password is asked for again (or the second factor is).
ACCOUNT_REAUTHENTICATION_REQUIRED = True
#: One address each: the new one replaces the old when it is confirmed.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
SOCIALACCOUNT_ADAPTER = "customers.social.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS = social_providers()
MFA_ADAPTER = "customers.second_factor.SecondFactorAdapter"
#: The clocks of phones go wrong by a few seconds: the code before and the next one count too.
MFA_TOTP_TOLERANCE = 1
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
USERSESSIONS_TRACK_ACTIVITY = False

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Roamdesk API",
    "DESCRIPTION": _("For the app of those who travel, and for staff on the road. See docs/api.md."),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v[0-9]+",
    "SCHEMA_PATH_PREFIX_TRIM": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "OAS_VERSION": "3.1.0",
    # What several parts of the description call "state", "kind" or "method".
    "ENUM_NAME_OVERRIDES": {
        "OptionalNoticeEnum": "orders.api.notice_choices.CAN_BE_OFF",
        "NotificationKind": "orders.api.feed.KINDS",
        "OrderState": "orders.api.serializers.STATE_WORDS",
        "OrderItemKind": "orders.api.serializers.ITEM_KINDS",
        "AppMethod": "orders.api.serializers.METHODS",
        "PaymentMethod": "orders.api.serializers.PAYMENT_METHODS",
        "PaymentState": "orders.api.serializers.PAYMENT_STATES",
        "RefundKind": "orders.api.serializers.REFUND_KINDS",
        "RefundState": "orders.api.serializers.REFUND_STATES",
        "EsimState": "esims.api_serializers.LINE_STATES",
        "PackageKind": "esims.api_serializers.PACKAGE_KINDS",
        "PackageState": "esims.api_serializers.PACKAGE_STATES",
        "EsimActionState": "esims.api_serializers.ACTION_STATES",
        "PhoneAction": "esims.api_serializers.ASKED",
        "GuideStageCode": "esims.api_serializers.STAGES",
        "GuidePartCode": "esims.api_serializers.PARTS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.schema.add_problems",
    ],
}


def rest_framework(*, proxies: int) -> dict[str, Any]:
    """``REST_FRAMEWORK``. ``proxies`` are those of ours in front: whom to count calls for."""
    return {
        "DEFAULT_AUTHENTICATION_CLASSES": ["config.api.authentication.SessionTokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["config.api.bodies.Parser"],
        "DEFAULT_THROTTLE_CLASSES": ["config.api.throttles.CallerThrottle"],
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "EXCEPTION_HANDLER": "config.api.problems.handle_exception",
        "NUM_PROXIES": proxies,
        # "?format=" is a parameter like any other: refused where nobody knows it.
        "URL_FORMAT_OVERRIDE": None,
        # Money stays text: a float has no cents.
        "COERCE_DECIMAL_TO_STRING": True,
        "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    }
