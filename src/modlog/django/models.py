"""What the admin and permissions call accounts and sweeps. Neither has a table: the ledger has."""

from __future__ import annotations

from typing import Any

from django.db import models


class _Nothing(models.Manager):
    """No rows, for whoever goes through all models, as `dumpdata` does."""

    def get_queryset(self) -> Any:
        return super().get_queryset().none()


class Account(models.Model):
    """An account in the ledger, by the platform's own id."""

    id = models.CharField(primary_key=True, max_length=255)

    objects = _Nothing()

    class Meta:
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)
        permissions = (
            ("restore_account", "Can restore account"),
            ("revert_account", "Can take back what happened to account"),
        )

    def __str__(self) -> str:
        return str(self.id)


class Sweep(models.Model):
    """One decision for many accounts, by the name of its batch."""

    id = models.CharField(primary_key=True, max_length=255)

    objects = _Nothing()

    class Meta:
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)
        permissions = (
            ("plan_sweep", "Can plan sweep"),
            ("approve_sweep", "Can approve or reject sweep"),
            ("execute_sweep", "Can carry out sweep"),
        )

    def __str__(self) -> str:
        return str(self.id)
