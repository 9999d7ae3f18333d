"""A payment service: card payments, refunds and disputes as Stripe's API tells them, and the calls that it makes."""
