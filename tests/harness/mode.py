"""The two ways to run an application: embedded in httpd's children, or in daemon processes."""


class Mode:
    """Writes the lines of configuration in which the two differ."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name

    @property
    def is_daemon(self):
        """Whether the applications run in daemon processes."""
        return self.name == "daemon"

    def group(self, name="app", **options):
        """Define a process group with these options (`python_path="/x"` for `python-path=/x`)."""
        if not self.is_daemon:
            return ""
        options = {"threads": 4, **options}
        words = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in options.items())
        return f"WSGIDaemonProcess {name} {words}\n"

    def select(self, name="app"):
        """Send requests to that group."""
        return f"WSGIProcessGroup {name}\n" if self.is_daemon else ""

    def process_group(self, name="app"):
        """The name for a `process-group=` option."""
        return name if self.is_daemon else "%{GLOBAL}"

    def serve(self, name="app", **options):
        """Define a group and send every request to it."""
        return self.group(name, **options) + self.select(name)


MODES = [Mode("embedded"), Mode("daemon")]
