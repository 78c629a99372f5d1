"""A Django project of one file: a view, a template, a table of 20 rows."""

import os

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")],
        }
    ],
    LOGGING_CONFIG=None,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.shortcuts import render  # noqa: E402
from django.urls import path  # noqa: E402

ROWS = [{"id": n, "name": f"Item <{n}>", "price": n * 1.25, "stock": n * 7 % 13} for n in range(20)]


def table(request):
    """The page."""
    return render(request, "table.html", {"title": "Stock & prices", "rows": ROWS})


urlpatterns = [path("django", table)]

application = get_wsgi_application()
