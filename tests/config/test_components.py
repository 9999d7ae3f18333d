"""The pieces that pages are made of."""

import re
from typing import Any

import pytest
from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, QueryDict
from django.template import Context, Template
from django.test import RequestFactory

from config.tones import TONES
from customers.keyset import KeysetPage


def shown(template: str, **context: Any) -> str:
    return re.sub(r"\s+", " ", Template(template).render(Context(context))).strip()


def request_for(query: str) -> HttpRequest:
    request = RequestFactory().get("/x/")
    request.GET = QueryDict(query)
    return request


@pytest.mark.parametrize(
    ("tag", "tone"),
    [
        ("{% badge 'x' 'active' %}", "ok"),
        ("{% badge 'x' 'held' %}", "warn"),
        ("{% badge 'x' 'made-up' %}", "neutral"),
        ("{% badge 'x' %}", "neutral"),
        ("{% badge 'x' 'active' tone='danger' %}", "danger"),
        ("{% badge 'x' 'unknown' tones=mine %}", "info"),
        ("{% badge 'x' 'active' tones=mine %}", "neutral"),
    ],
)
def test_badge(tag: str, tone: str) -> None:
    assert shown(tag, mine={"unknown": "info"}) == f'<span class="badge badge-{tone}">x</span>'


def test_every_tone_has_a_style() -> None:
    assert set(TONES.values()) <= {"ok", "info", "warn", "danger", "neutral"}


def test_copy_is_hidden_without_scripts_and_escaped() -> None:
    text = shown("{% copy v %}", v='"><script>')
    assert text.startswith('<button type="button"')
    assert 'data-copy="&quot;&gt;&lt;script&gt;"' in text
    assert re.search(r"\shidden>", text)


def test_progress() -> None:
    known = shown("{% progress 40 120 'Pages' %}")
    assert '<progress value="40" max="120" aria-label="Pages">' in known
    assert ">33%<" in known
    assert shown("{% progress 7 None %}") == '<div class="progress"><progress></progress></div>'
    assert ">100%<" in shown("{% progress 9 3 %}")


def test_steps() -> None:
    text = shown("{% steps 2 'Customer' 'Plan' 'Payment' %}")
    assert "Step 2 of 3" in text
    assert text.count('aria-current="step"') == 1
    assert text.count("(done)") == 1


def test_crumb_of_a_page_that_is_not_there() -> None:
    assert shown("{% crumb 'Gone' 'no-such-page' %}") == "<li>Gone</li>"
    assert shown("{% crumb 'Customers' 'customer-list' %}") == '<li><a href="/customers/">Customers</a></li>'


class _Form(forms.Form):
    name = forms.CharField(label="Name", help_text="As in the passport.")
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea(attrs={"placeholder": "…"}))
    agreed = forms.BooleanField(label="Agreed")
    kind = forms.ChoiceField(label="Kind", choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect)
    key = forms.CharField(widget=forms.HiddenInput, initial="k")

    def clean(self) -> None:
        raise forms.ValidationError("All of it is wrong.")


def test_field_ties_label_help_and_control() -> None:
    text = shown("{% field form.name %}", form=_Form())
    assert '<label for="id_name">Name</label>' in text
    assert '<div class="hint" id="id_name_helptext">As in the passport.</div>' in text
    assert 'aria-describedby="id_name_helptext"' in text


def test_field_with_error() -> None:
    text = shown("{% field form.name %}", form=_Form({}))
    assert 'aria-describedby="id_name_helptext id_name_error"' in text
    assert 'aria-invalid="true"' in text
    assert '<div class="field-error" id="id_name_error"><p>This field is required.</p></div>' in text


def test_field_without_hint_or_placeholder() -> None:
    text = shown("{% field form.name hint='' %}", form=_Form())
    assert "hint" not in text
    assert "aria-describedby" not in text
    assert "placeholder" not in shown("{% field form.note placeholder=False %}", form=_Form())
    assert 'placeholder="…"' in shown("{% field form.note %}", form=_Form())


def test_kinds_of_fields() -> None:
    form = _Form()
    assert "(optional)" in shown("{% field form.note %}", form=form)
    assert "field-check" in shown("{% field form.agreed %}", form=form)
    group = shown("{% field form.kind %}", form=form)
    assert group.startswith("<fieldset")
    assert "<legend>Kind</legend>" in group
    assert shown("{% field form.key %}", form=form) == '<input type="hidden" name="key" value="k" id="id_key">'


def test_error_summary_links_to_the_fields() -> None:
    text = shown("{% error_summary form %}", form=_Form({"note": "x", "key": "k"}))
    assert 'role="alert"' in text
    assert "<li>All of it is wrong.</li>" in text
    assert '<a href="#id_name">Name: This field is required.</a>' in text
    assert '<a href="#id_agreed">Agreed: This field is required.</a>' in text
    assert shown("{% error_summary form %}", form=_Form()) == ""


def test_keyset_links_keep_the_filters() -> None:
    page: KeysetPage[Any] = KeysetPage(rows=[], after="AAA", before="BBB")
    text = shown("{% keyset page %}", page=page, request=request_for("q=a+b&after=old&page=3"))
    assert 'rel="prev" href="?q=a+b&amp;before=BBB"' in text
    assert 'rel="next" href="?q=a+b&amp;after=AAA"' in text
    last: KeysetPage[Any] = KeysetPage(rows=[], after="", before="")
    assert shown("{% keyset page %}", page=last, request=request_for("")) == ""


def test_numbered_pages() -> None:
    page = Paginator(range(200), 10).get_page(5)
    text = shown("{% pagination page %}", page=page, request=request_for("q=x&page=5"))
    assert '<span aria-current="page">5</span>' in text
    assert 'rel="next" href="?q=x&amp;page=6"' in text
    assert re.findall(r">(\d+|…)<", text) == ["1", "…", "4", "5", "6", "…", "20"]


def test_timeline_and_stat_and_empty() -> None:
    assert "Nothing has happened yet." in shown(
        "{% include 'components/timeline.html' with events=events %}", events=[]
    )
    stat = shown("{% include 'components/stat.html' with label='Due' value=3 url='/x/' tone='warn' %}")
    assert stat.startswith('<a class="stat stat-warn" href="/x/">')
    empty = shown("{% include 'components/empty.html' with title='None' action_url='/x/' action_label='New' %}")
    assert '<a class="button" href="/x/">New</a>' in empty
