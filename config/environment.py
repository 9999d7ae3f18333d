"""Where settings are read from: the environment, and before it a file that stands in for one."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(env.str("ROAMDESK_ENV_FILE", default=str(BASE_DIR / ".env")))
