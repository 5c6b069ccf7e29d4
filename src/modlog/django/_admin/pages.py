"""What the admin's pages have in common: addresses, permissions, who acts, what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse

from modlog import ModlogError, acting
from modlog._cli.escaping import visible
from modlog.django.middleware import actor_of

Route = tuple[str, Callable[..., HttpResponse], str]


class LedgerAdmin(ModelAdmin):
    """Pages on something in the ledger, which has no table and is never edited."""

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def may(self, request: Any, action: str) -> bool:
        """Whether the user has the permission for an action on these."""
        found: bool = request.user.has_perm(
            f"{self.opts.app_label}.{action}_{self.opts.model_name}"
        )
        return found

    def demand(self, request: Any, action: str) -> None:
        """Refuse who has it not."""
        if not self.may(request, action):
            raise PermissionDenied

    # Addresses

    def routes(self) -> list[Route]:
        """Below the model's own address: pattern, page and name."""
        raise NotImplementedError

    def get_urls(self) -> list[Any]:
        return [
            path(pattern, self._view(view), name=self._name(name))
            for pattern, view, name in self.routes()
        ]

    def _view(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        # The ledger has transactions of its own; one around them would only hold them up.
        def page(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            return view(request, *args, **kwargs)

        for database in connections:
            page = transaction.non_atomic_requests(using=database)(page)
        return self.admin_site.admin_view(page)

    def _name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def address(self, name: str, *ids: str, **query: object) -> str:
        """Of a page on these, or on one of them."""
        found = reverse(
            f"admin:{self._name(name)}",
            args=[quote(one) for one in ids],
            current_app=self.admin_site.name,
        )
        return f"{found}?{urlencode(query, doseq=True)}" if query else found

    # Answers

    def page(self, request: Any, template: str, title: str, **more: Any) -> TemplateResponse:
        """A page in the admin's manner."""
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": visible(title),
            "above": [(self.address("changelist"), self.opts.verbose_name_plural.capitalize())],
            **more,
        }
        return TemplateResponse(request, f"admin/modlog/{template}.html", context)

    def say(self, request: Any, text: str, level: int = messages.SUCCESS) -> None:
        """Tell the user on the next page."""
        self.message_user(request, visible(text), level)

    @contextmanager
    def acting(self, request: Any) -> Iterator[None]:
        """Let the user act in the block; what the ledger refuses is told, and ends it."""
        try:
            with acting(lambda: actor_of(request)):
                yield
        except ModlogError as error:
            self.say(request, str(error), messages.ERROR)
