from django.db import models


class Member(models.Model):
    name = models.CharField(max_length=100, unique=True)
    visible = models.BooleanField(default=True)

    class Meta:
        app_label = "djangosite"
