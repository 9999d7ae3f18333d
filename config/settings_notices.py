"""Settings of what customers and staff are told (docs/notifications.md); all of it ours."""

from config.environment import env

#: The name under which customers are written to, how they reach a person, and who issues statements to them.
BRAND_NAME = env.str("BRAND_NAME", default="Roamdesk")
BRAND_CONTACT = env.str("BRAND_CONTACT", default="")
ISSUER_NAME = env.str("ISSUER_NAME", default=BRAND_NAME)
ISSUER_ADDRESS = env.str("ISSUER_ADDRESS", default="", multiline=True)
ISSUER_REGISTRATION = env.str("ISSUER_REGISTRATION", default="")
NOTIFICATION_LANGUAGE = env.str("NOTIFICATION_LANGUAGE", default="en")
NOTIFICATION_REPLY_TO = env.str("NOTIFICATION_REPLY_TO", default="")
#: Kinds told to nobody; shown to customers in the app only; sent as the provider's SMS as well, where it can.
NOTIFICATION_OFF = env.list("NOTIFICATION_OFF", default=[])
NOTIFICATION_FEED_ONLY = env.list("NOTIFICATION_FEED_ONLY", default=[])
NOTIFICATION_SMS = env.list("NOTIFICATION_SMS", default=[])
#: Told: shares of an allowance in total (percent), days before the install deadline, hours before the end.
NOTIFICATION_USAGE_PERCENT = env.list("NOTIFICATION_USAGE_PERCENT", cast=int, default=[50, 80, 90])
NOTIFICATION_DEADLINE_DAYS = env.list("NOTIFICATION_DEADLINE_DAYS", cast=int, default=[7, 2])
NOTIFICATION_END_HOURS = env.int("NOTIFICATION_END_HOURS", default=24)
#: A line whose code has not come so many hours after the line holds up the message of its order no longer: what is
#: there is told, and staff look for the rest. Ours: no document says how long a code may take.
NOTIFICATION_CODE_HOURS = env.float("NOTIFICATION_CODE_HOURS", default=2.0)
NOTIFICATION_STALE_HOURS = env.int("NOTIFICATION_STALE_HOURS", default=24)
NOTIFICATION_QR_LINES = env.int("NOTIFICATION_QR_LINES", default=5)
#: Staff are told of one kind of trouble at most once in so many minutes, of everything new together.
NOTIFICATION_STAFF_MINUTES = env.int("NOTIFICATION_STAFF_MINUTES", default=60)
#: Days that a link to a line works, and how many words that are no link one address may try in a minute.
LINE_LINK_DAYS = env.int("LINE_LINK_DAYS", default=180)
LINE_LINK_GUESSES = env.int("LINE_LINK_GUESSES", default=20)
#: Days after which the stored contents of messages, with their codes, are erased. Ours: as long as their links work.
NOTIFICATION_CONTENT_DAYS = env.int("NOTIFICATION_CONTENT_DAYS", default=180)
