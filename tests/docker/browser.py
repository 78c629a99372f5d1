"""A browser with cookies, for the sample Django site."""

import http.cookiejar
import re
import urllib.parse
import urllib.request


class Browser:
    """Looks at the site of one container."""

    def __init__(self, container):
        self.origin = f"http://127.0.0.1:{container.port}"
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def read(self, path="/", data=None):
        """The text of a page."""
        return self.opener.open(self.origin + path, data, timeout=60).read().decode()

    def post(self, path, **fields):
        """Sends the form of a page; the text of the page that follows."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.read(path)).group(1)
        return self.read(path, urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode())

    def sign_in(self):
        """As the administrator that examples/django_site/setup.py makes; what the administrator sees."""
        return self.post("/admin/login/?next=/admin/", username="demo", password="demo-password")
