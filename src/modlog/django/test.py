"""For tests of a platform on Django: what they record is undone with what they save."""

from __future__ import annotations

from django.test import TestCase

from modlog.django._ledgers import within


class LedgerTestMixin:
    """Beside a `TestCase`: each test is one transaction, which the ledger takes part in."""

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.enterContext(within())  # type: ignore[attr-defined]


class LedgerTestCase(LedgerTestMixin, TestCase):
    """A `TestCase` after which the ledger is as it was before, too."""
