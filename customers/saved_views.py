"""Saving a way to look at a list, and forgetting it."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import QueryDict
from django.utils.translation import gettext as _

from customers.lists import SHARE, ListPage, keep_words
from customers.models import SavedView, User

MOST_VIEWS = 30
_LONGEST_NAME = 60
_LONGEST_QUERY = 1000


class ViewRefused(Exception):
    """Nothing was saved; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def save_view(
    *, page: ListPage, name: str, query: str, by: User, is_shared: bool = False, is_default: bool = False
) -> SavedView:
    """Keep the list's address ``query`` under a name; one of the same name is written over.

    With ``is_default`` the list opens with it from now on. Raises ``ViewRefused``, and ``PermissionDenied`` for
    sharing without the right to.
    """
    if is_shared and not by.has_perm(SHARE):
        raise PermissionDenied
    name = " ".join(name.split())
    words = keep_words(QueryDict(query)).urlencode()
    if not name or len(name) > _LONGEST_NAME:
        raise ViewRefused(_("Give the view a name of at most %(count)s letters.") % {"count": _LONGEST_NAME})
    if len(words) > _LONGEST_QUERY:
        raise ViewRefused(_("These filters are too long to be saved."))
    mine = SavedView.objects.filter(owner=by, page=page.name)
    with transaction.atomic():
        # One after the other for one person: the default is one only.
        User.objects.select_for_update().get(pk=by.pk)
        if mine.exclude(name=name).count() >= MOST_VIEWS:
            raise ViewRefused(_("You have %(count)s views of this list: delete one first.") % {"count": MOST_VIEWS})
        if is_default:
            mine.filter(is_default=True).update(is_default=False)
        view, _is_new = SavedView.objects.update_or_create(
            owner=by,
            page=page.name,
            name=name,
            defaults={"query": words, "is_shared": is_shared, "is_default": is_default},
        )
    return view


def delete_view(*, view: SavedView, by: User) -> None:
    """Forget a view of one's own, or (who may share) a shared one of somebody else."""
    if view.owner_id != by.pk and not (view.is_shared and by.has_perm(SHARE)):
        raise PermissionDenied
    view.delete()
