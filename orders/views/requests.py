"""What views of this side read from a request."""

from django.http import HttpRequest

from customers.models import User


def person(request: HttpRequest) -> User:
    """The signed-in person: ``staff_page`` let nobody else in."""
    if not isinstance(request.user, User):
        raise TypeError("this view needs staff_page")
    return request.user


def read_id(text: str) -> int | None:
    """A primary key from an address; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
