"""modlog at home in Django: the ledger of the settings, in Django's own transactions.

Put ``"modlog.django"`` into ``INSTALLED_APPS``, and
``"modlog.django.middleware.ActingMiddleware"`` into ``MIDDLEWARE``, behind the one that
authenticates. `MODLOG` in the settings says where the ledger lies; left out, it is in the
default database.

`log` is that ledger and `ledger` opens it; `within` makes it part of Django's transaction, and
`close` leaves its connections.
"""

from modlog.django._ledgers import close, ledger, log, within

__all__ = ["close", "ledger", "log", "within"]
