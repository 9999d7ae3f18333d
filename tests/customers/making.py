"""People for tests."""

from django.contrib.auth.models import Permission
from django.test import Client

from customers.models import User


def make_staff(*permissions: str, email: str = "clerk@example.com", is_staff: bool = True) -> User:
    """Somebody who signs in, holding just these permissions ("app.codename")."""
    user = User.objects.create_user(email, "a long enough password", is_staff=is_staff)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
