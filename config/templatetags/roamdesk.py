"""Tags and filters for all pages."""

from django import template

register = template.Library()
