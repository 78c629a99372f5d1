"""The pages of the book."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("download/<int:entry_id>/", views.download, name="download"),
    path("stream/", views.stream, name="stream"),
]
