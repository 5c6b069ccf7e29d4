"""The ledger in Django's admin."""

from django.contrib import admin

from modlog.django._admin.accounts import AccountAdmin
from modlog.django._admin.sweeps import SweepAdmin
from modlog.django.models import Account, Sweep

admin.site.register(Account, AccountAdmin)
admin.site.register(Sweep, SweepAdmin)
