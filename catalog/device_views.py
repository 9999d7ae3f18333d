"""The list of devices at the desk: looking, entering, changing, deleting, and a file of many."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from catalog.device_files import COLUMNS, DeviceFileRefused, ImportReport, import_devices, write_devices
from catalog.devices import delete_device, save_device, search_devices
from catalog.forms_devices import DeviceFileForm, DeviceFilterForm, DeviceForm
from catalog.models import DeviceModel
from catalog.views import name_of
from providers.access import staff_page

PAGE = 50
#: Of each kind the report names so many.
NAMED = 100
ABILITY_TONES = {"yes": "ok", "no": "danger", "depends": "warn"}


@require_safe
@staff_page("catalog.view_devicemodel")
def device_list(request: HttpRequest) -> HttpResponse:
    form = DeviceFilterForm(request.GET)
    asked: dict[str, Any] = form.cleaned_data if form.is_valid() else {}
    found = search_devices(asked.get("q", ""), ability=asked.get("ability", ""))
    context = {
        "form": form,
        "page": Paginator(found, PAGE).get_page(request.GET.get("page")),
        "is_filtered": any(asked.values()),
        "tones": ABILITY_TONES,
        "may_import": request.user.has_perms(("catalog.add_devicemodel", "catalog.change_devicemodel")),
    }
    return render(request, "catalog/devices.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.add_devicemodel")
def device_enter(request: HttpRequest) -> HttpResponse:
    return _edit(request, None, title=_("Enter a device"), done=_("The device is on the list."))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.change_devicemodel")
def device_edit(request: HttpRequest, pk: int) -> HttpResponse:
    device = get_object_or_404(DeviceModel, pk=pk)
    title = _("Change “%(name)s”") % {"name": device}
    return _edit(request, device, title=title, done=_("The device is changed."))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.delete_devicemodel")
def device_delete(request: HttpRequest, pk: int) -> HttpResponse:
    device = get_object_or_404(DeviceModel, pk=pk)
    if request.method == "POST":
        delete_device(device=device, by=name_of(request.user))
        messages.success(request, _("The device is off the list."))
        return redirect("device-list")
    context = {
        "title": _("Take “%(name)s” off the list?") % {"name": device},
        "consequences": [_("Customers who look for it are told that we do not know it, and how to find out.")],
        "action": _("Take it off"),
        "danger": True,
        "cancel_url": reverse("device-edit", args=[pk]),
    }
    return render(request, "catalog/device_delete.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.add_devicemodel")
@staff_page("catalog.change_devicemodel")
def device_import(request: HttpRequest) -> HttpResponse:
    """A file is looked through first; what was looked through is then taken as it was."""
    form = DeviceFileForm(request.POST, request.FILES) if request.method == "POST" else DeviceFileForm()
    context: dict[str, Any] = {"form": form, "columns": ", ".join(COLUMNS), "named": NAMED, "tones": ABILITY_TONES}
    if request.method == "POST" and form.is_valid():
        data = form.read_data()
        wants_it = request.POST.get("do") == "import" and not form.cleaned_data.get("file")
        try:
            report = import_devices(data=data, by=name_of(request.user), dry_run=not wants_it)
        except DeviceFileRefused as refused:
            form.add_error("file", refused.message)
        else:
            if report.is_written:
                messages.success(request, _say_done(report))
                return redirect("device-list")
            # For another file: what was looked through stands in the form below the report.
            context |= {
                "form": DeviceFileForm(),
                "report": report,
                "confirm": DeviceFileForm(initial={"text": data.decode("utf-8-sig")}),
            }
    return render(request, "catalog/device_import.html", context, status=422 if form.errors else 200)


@require_safe
@staff_page("catalog.view_devicemodel")
def device_export(_request: HttpRequest) -> HttpResponse:
    """The whole list as the file that the import takes."""
    # Spreadsheets read UTF-8 by its mark only.
    body = "\ufeff" + write_devices(DeviceModel.objects.all())
    response = HttpResponse(body, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="devices.csv"'
    return response


def _edit(request: HttpRequest, device: DeviceModel | None, *, title: str, done: str) -> HttpResponse:
    form = DeviceForm(request.POST if request.method == "POST" else None, instance=device)
    if request.method == "POST" and form.is_valid():
        try:
            save_device(device=form.read_device(), by=name_of(request.user))
        except ValidationError as error:
            form.add_refusal(error)
        else:
            messages.success(request, done)
            return redirect("device-list")
    context = {"form": form, "device": device, "title": title}
    return render(request, "catalog/device_edit.html", context, status=422 if form.errors else 200)


def _say_done(report: ImportReport) -> str:
    return _("%(added)s added, %(changed)s changed, %(unchanged)s as they were.") % {
        "added": len(report.added),
        "changed": len(report.changed),
        "unchanged": report.unchanged,
    }
