"""`python -m providers.simulator`: works without Django and without settings."""

import sys

from providers.simulator.program import main

if __name__ == "__main__":
    sys.exit(main())
