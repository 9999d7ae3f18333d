"""People in the admin. (Django's admin and form classes take no type arguments at run time.)"""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from customers.accounts import has_been_confirmed_by_another, vouch_for_address
from customers.countries import COUNTRIES
from customers.customers import normalise_email, normalise_phone
from customers.models import Customer, Device, IdempotencyKey, SavedView, StaffEvent, StaffInvitation, User
from customers.staffing import note_staff_event
from customers.terms import keep_terms
from providers.admin import ReadOnlyAdmin

# Contracts with others stand in the settings, and no tokens of theirs are kept; of the other two see below.
for _model in (SocialApp, SocialToken, UserSession, Authenticator):
    admin.site.unregister(_model)


def _free_address(email: str, user: User | None) -> str:
    email = normalise_email(email)
    if has_been_confirmed_by_another(email=email, user=user):
        raise ValidationError(_("Another account has this e-mail address."))
    return email


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]
    """No invitation is sent: the administrator hands the password over, or the person asks for a new one."""

    class Meta:
        model = User
        fields = ("email",)
        field_classes: dict[str, Any] = {}

    def clean_email(self) -> str:
        return _free_address(self.cleaned_data["email"], None)


class UserForm(UserChangeForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, Any] = {}

    def clean_email(self) -> str:
        return _free_address(self.cleaned_data["email"], self.instance)


#: What decides over others' rights: only superusers give and take it.
_RIGHTS = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    """Users sign in with their e-mail address. Superusers are changed by superusers only.

    Staff are invited, and get and lose their roles, in the console: here superusers mend what is beyond that. Nobody
    changes their own rights, and staff are not deleted: what they did stays theirs.
    """

    form = UserForm
    add_form = NewUserForm
    add_form_template = None
    list_display = ("email", "first_name", "last_name", "is_staff", "is_superuser", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    search_fields = ("email", "first_name", "last_name")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "language", "time_zone")}),
        (_("Rights"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("email", "first_name", "last_name", "is_staff", "usable_password", "password1", "password2"),
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fields = tuple(str(name) for name in super().get_readonly_fields(request, obj))
        is_own = obj is not None and obj.pk == request.user.pk
        return fields if _is_superuser(request) and not is_own else (*fields, *_RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_delete_permission(request, obj) and _may_touch(request, obj)
        return may and (obj is None or not obj.is_staff)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One by one: each is looked at by whom it protects."""
        return {}

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        changed = [name for name in form.changed_data if name in _RIGHTS]
        if changed and isinstance(request.user, User):
            note_staff_event(
                form.instance, StaffEvent.Kind.RIGHTS, by=request.user.email, facts={"fields": sorted(changed)}
            )

    def save_model(self, request: HttpRequest, obj: User, form: "forms.ModelForm[User]", change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change or "email" in form.changed_data:
            vouch_for_address(user=obj)


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    return user is None or not user.is_superuser or _is_superuser(request)


class CustomerAdminForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Customer
        fields = ("name", "email", "phone", "company", "country", "language", "note", "user")

    def clean_email(self) -> str:
        email = normalise_email(self.cleaned_data["email"])
        others = Customer.objects.filter(email__iexact=email).exclude(pk=self.instance.pk)
        if email and others.exists():
            raise ValidationError(_("A customer with this e-mail address is there already."))
        return email

    def clean_phone(self) -> str:
        return normalise_phone(self.cleaned_data["phone"])

    def clean_country(self) -> str:
        country: str = self.cleaned_data["country"].upper()
        if country and country not in COUNTRIES:
            raise ValidationError(_("Give the country as two letters, such as JP."))
        return country


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = CustomerAdminForm
    list_display = ("name", "email", "phone", "company", "country", "created_at")
    list_filter = ("country", "language")
    search_fields = ("name", "email", "phone", "company")
    date_hierarchy = "created_at"
    autocomplete_fields = ("user",)
    readonly_fields = ("created_at", "created_by", "erased_at")
    show_full_result_count = False

    def save_model(self, request: HttpRequest, obj: Customer, form: "forms.ModelForm[Customer]", change: bool) -> None:
        if not change and isinstance(request.user, User):
            obj.created_by = request.user
        super().save_model(request, obj, form, change)
        keep_terms([obj])


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    """To look at; the answers themselves belong to those who asked."""

    list_display = ("key", "user", "status", "claimed_at", "created_at")
    search_fields = ("key", "user__email")
    exclude = ("answer",)
    show_full_result_count = False


@admin.register(Device)
class DeviceAdmin(ReadOnlyAdmin):
    """To look at, and to take away what was stolen."""

    list_display = ("__str__", "user", "platform", "created_at", "seen_at")
    list_filter = ("platform",)
    search_fields = ("user__email", "name")
    exclude = ("token",)
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Device | None = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(SavedView)
class SavedViewAdmin(ReadOnlyAdmin):
    """To look at; people save and delete views beside the lists."""

    list_display = ("name", "page", "owner", "is_shared", "is_default")
    list_filter = ("page", "is_shared")
    list_select_related = ("owner",)


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    """From where people are signed in. People end their sign-ins themselves; a new password ends them all."""

    list_display = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    search_fields = ("user__email", "ip")
    exclude = ("data",)
    show_full_result_count = False


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Second factors: what is deleted here must be set up anew. Of superusers only superusers delete it."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    search_fields = ("user__email",)
    exclude = ("data",)
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        allowed = admin.ModelAdmin.has_delete_permission(self, request, obj)
        return allowed and (obj is None or _may_touch(request, obj.user))

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        super().delete_model(request, obj)
        if obj.user.is_staff and isinstance(request.user, User):
            note_staff_event(obj.user, StaffEvent.Kind.FACTOR_REMOVED, by=request.user.email)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One by one: each is looked at by whom it protects."""
        return {}


@admin.register(StaffInvitation)
class StaffInvitationAdmin(ReadOnlyAdmin):
    """To look at; invitations are sent and withdrawn in the console."""

    list_display = ("user", "invited_by", "created_at", "expires_at", "accepted_at")
    search_fields = ("user__email",)


@admin.register(StaffEvent)
class StaffEventAdmin(ReadOnlyAdmin):
    """What happened to accounts of staff: written once, changed by nobody."""

    list_display = ("at", "email", "kind", "by", "why")
    list_filter = ("kind",)
    search_fields = ("email", "by")
    date_hierarchy = "at"
    show_full_result_count = False
