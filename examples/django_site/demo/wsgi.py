"""The WSGI script of the site.

The setting is assigned, not only defaulted: another Django site in the same process may have left its own there.
"""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "demo.settings"

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
