"""eSIM Access as its document prints it and as it is known to answer: `system.py` serves, `switches.py` chooses."""
