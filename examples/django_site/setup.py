#!/usr/bin/env python3
"""Prepares the site: secret key, tables, static files, and the superuser of the demonstration.

Run it with the Python that has Django, as the user who owns (or will own) the data directory. It may run again.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
USER, PASSWORD = "demo", "demo-password"


def main():
    data = HERE / "data"
    (data / "uploads").mkdir(parents=True, exist_ok=True)
    key = data / "secret_key"
    if not key.exists():
        key.write_text(os.urandom(32).hex())
        key.chmod(0o600)

    sys.path.insert(0, str(HERE))
    os.environ["DJANGO_SETTINGS_MODULE"] = "demo.settings"

    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)

    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if not users.filter(username=USER).exists():
        users.create_superuser(USER, "demo@example.com", PASSWORD)
    print(f"The Django site is ready; its administrator is {USER} with the password {PASSWORD}.")


if __name__ == "__main__":
    main()
