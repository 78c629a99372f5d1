"""The application `guestbook`."""

from django.apps import AppConfig


class GuestbookConfig(AppConfig):
    name = "guestbook"
