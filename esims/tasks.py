"""Jobs of the lines, by dotted name. Each takes an id, looks at the row and does nothing twice."""

from esims.actions import run_action as run_action_now
from esims.refresh import read_asked_line


def run_action(action_id: int) -> None:
    """Do the next step of an action that was asked for."""
    run_action_now(action_id=action_id)


def read_line(esim_id: int) -> None:
    """Read a line that a person wants to see as it is now."""
    read_asked_line(esim_id=esim_id)
