"""Places for links in texts that are stored: a link is made when its text is sent, and its digest alone is kept."""

import re
from collections.abc import Mapping, Sequence

_PLACE = re.compile(r"\[\[line:([0-9]{1,18})\]\]")


def link_place(esim_id: int) -> str:
    """What stands for the link to a line until the text is sent."""
    return f"[[line:{esim_id}]]"


def find_places(text: str) -> Sequence[int]:
    """The ids of the lines whose links go into the text."""
    return [int(esim_id) for esim_id in dict.fromkeys(_PLACE.findall(text))]


def fill_links(text: str, links: Mapping[int, str]) -> str:
    """The text with the links of ``links`` in their places; a place of any other line stays as it reads."""
    return _PLACE.sub(lambda match: links.get(int(match[1]), match[0]), text)
