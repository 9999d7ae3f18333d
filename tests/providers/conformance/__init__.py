"""What every adapter must do, operation by operation and error by error, over real HTTP. Faults are the simulator's.

A suite is a class ``Test…`` per account in ``tests/providers/test_conformance_<adapter>.py``:

- ``ProviderConformance`` (``suite.py``) with ``switch_on``, ``buy_stock`` and ``operations``: for each operation of the
  account its prototype (``operations.py``) with the adapter's name of the call: ``READ_LINE.at("query", vital=…)``.
  What differs from a provider that speaks in HTTP statuses is said there too: ``refusals``, ``wrong_credentials``,
  ``rate_limits`` (``answers.py``), ``endpoints``, ``prepare``; ``ground.py`` has them all.
- ``TokenConformance`` (``tokens.py``) first among the bases where the adapter signs in for a token.
- ``WebhookConformance`` (``webhooks.py``) as a class of its own where the provider calls us.

Tests go by purpose: ``sending``, ``refused``, ``lost``, ``strange``, ``declared``. ``coverage.py`` finds adapters,
accounts and capabilities that no suite covers; ``test_conformance_coverage.py`` fails for them.
"""
