"""Payments by card, at the payment service: asking for them, what becomes of them, refunds, disputes, its calls."""
