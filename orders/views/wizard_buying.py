"""The wizard's last step: the price once more, the payment, and the order."""

import uuid
from dataclasses import replace
from decimal import Decimal

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from orders.checkout import CheckoutRefused
from orders.forms_sale import BuyForm, read_payment
from orders.models import CreditAccount, Order, OrderLine
from orders.payments import PaymentRefused
from orders.selectors.checkout_page import read_offer, recent_twin
from orders.selectors.credit import find_credit
from orders.selling import sell_plan
from orders.views.requests import person, read_id
from orders.views.wizard_draft import Draft, read_draft, render_step


def show_confirm(request: HttpRequest, draft: Draft) -> HttpResponse:
    if draft.key is None:
        return redirect(draft.address("confirm", key=uuid.uuid4()))
    placed = Order.objects.filter(checkout_key=draft.key).first()
    if placed is not None:
        messages.info(request, _("This order was placed already: here it is."))
        return redirect("order-detail", placed.pk)
    form = BuyForm(
        initial={
            "checkout_key": draft.key,
            "form_key": uuid.uuid5(draft.key, "payment"),
            "unit_price": draft.unit_price,
            "method": draft.words.get("method", ""),
            "reference": draft.words.get("reference", ""),
            "note": draft.words.get("note", ""),
        },
        credit=_credit_for(draft),
    )
    return _render_confirm(request, draft, form)


def _render_confirm(
    request: HttpRequest, draft: Draft, form: BuyForm, *, old_price: Decimal | None = None, status: int = 200
) -> HttpResponse:
    if draft.customer is None or draft.plan is None or draft.quantity is None:
        raise ValueError("nothing to confirm yet")
    price = draft.unit_price or Decimal(0)
    context = {
        "form": form,
        "offer": read_offer(draft.plan, period_days=draft.period_days),
        "price": price,
        "total": price * draft.quantity,
        "old_price": old_price,
        "old_total": old_price * draft.quantity if old_price is not None else None,
        "twin": recent_twin(draft.customer, draft.plan),
        "sees_cost": request.user.has_perm("catalog.set_price"),
        "customer_url": draft.address("customer", key=""),
        "plan_url": draft.address("plan", key=""),
        "quantity_url": draft.address("quantity", key=""),
        "post_url": draft.address("confirm"),
    }
    return render_step(request, "confirm", draft, context, status)


def _credit_for(draft: Draft) -> list[CreditAccount]:
    return find_credit(draft.customer, draft.plan.currency) if draft.plan is not None else []


def buy(request: HttpRequest, draft: Draft) -> HttpResponse:
    form = BuyForm(request.POST, credit=_credit_for(draft))
    valid = form.is_valid()
    key = form.cleaned_data.get("checkout_key")
    placed = OrderLine.objects.filter(order__checkout_key=key).first() if key is not None else None
    if placed is not None and not draft.problems.get("customer"):
        # The same form again, whatever has changed meanwhile: it is answered with its order.
        draft = _without_problems(draft, placed)
    if draft.next_step != "confirm":
        return _send_back(draft, form)
    if not valid:
        return _render_confirm(request, draft, form, status=422)
    return _sell(request, draft, form)


def _sell(request: HttpRequest, draft: Draft, form: BuyForm) -> HttpResponse:
    given = form.cleaned_data
    if draft.customer is None or draft.plan is None or draft.quantity is None:
        raise ValueError("nothing to sell yet")
    payment = read_payment(given)
    try:
        order = sell_plan(
            customer=draft.customer,
            plan=draft.plan,
            quantity=draft.quantity,
            checkout_key=given["checkout_key"],
            expected_unit_price=given["unit_price"],
            period_days=draft.period_days,
            payment=payment,
            by=person(request),
            note=given["note"],
        )
    except CheckoutRefused as error:
        return _answer_refusal(request, draft, form, error)
    except PaymentRefused as error:
        if (placed := Order.objects.filter(checkout_key=given["checkout_key"]).first()) is not None:
            messages.warning(request, error.message)
            return redirect("order-detail", placed.pk)
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _render_confirm(request, draft, form, status=422)
    if payment is None:
        messages.success(request, _("Order %(number)s is placed. Nothing is bought until it is paid.") % _named(order))
    else:
        messages.success(request, _("Order %(number)s is paid and being bought.") % _named(order))
    return redirect("order-detail", order.pk)


def _answer_refusal(request: HttpRequest, draft: Draft, form: BuyForm, error: CheckoutRefused) -> HttpResponse:
    """Back to the step where it can be mended, with everything that was typed."""
    placed = Order.objects.filter(checkout_key=form.cleaned_data["checkout_key"]).first()
    if placed is not None:
        messages.warning(request, error.message)
        return redirect("order-detail", placed.pk)
    if error.field == "price" and draft.plan is not None:
        draft.plan.refresh_from_db()
        old_price = form.cleaned_data["unit_price"]
        # The new price goes into the form only now that the page shows it.
        again = BuyForm({**request.POST.dict(), "unit_price": draft.unit_price}, credit=_credit_for(draft))
        again.add_error(None, error.message)
        return _render_confirm(request, draft, again, old_price=old_price, status=409)
    step = "quantity" if error.field == "period_days" else error.field
    if step in {"plan", "quantity", "customer"}:
        if step not in read_draft(request).problems:
            messages.error(request, error.message)
        return _send_back(draft, form, step=step)
    form.add_error(None, error.message)
    return _render_confirm(request, draft, form, status=422)


def _send_back(draft: Draft, form: BuyForm, step: str = "") -> HttpResponseRedirect:
    """To the step that has to be mended; what was typed about the payment rides along."""
    typed = {name: form.data.get(name, "")[:2000] for name in ("method", "reference", "note")}
    return HttpResponseRedirect(draft.address(step, key="", **typed))


def _without_problems(draft: Draft, placed: OrderLine) -> Draft:
    """As the draft was when its order was placed: the days were right then, whatever the plan allows by now."""
    days = read_id(draft.words.get("period_days", "")) if placed.period_days is not None else None
    return replace(draft, period_days=days, problems={})


def _named(order: Order) -> dict[str, str]:
    return {"number": order.number}
