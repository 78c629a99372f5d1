"""How the cost of a request grows with what a configuration, or a client, has more of."""

import contextlib
from dataclasses import replace

from contenders import CONTENDERS, Server
from load import takes_turns
from turns import Entry, measure
from workloads import WORKLOADS, Workload, answers

OURS = ("mod_wsgi_rs-embedded", "mod_wsgi_rs-daemon")
HELLO = WORKLOADS["hello"]
WIDE = {"child_threads": 75}

HOST = """
<VirtualHost 127.0.0.1:*>
    ServerName site-{number}.example.test
    {lines}
</VirtualHost>
"""
GROUP = (
    "WSGIDaemonProcess site-{number} processes=1 threads=2\n"
    "    WSGIScriptAlias / ${{APPLICATIONS}}/bench.py application-group=%{{GLOBAL}} process-group=site-{number}"
)


def hosts(count, groups):
    """That many virtual hosts, each with a process group of its own or with what the server has."""
    lines = GROUP if groups else "ServerAlias www-{number}.example.test"
    return "".join(HOST.format(number=number, lines=lines.format(number=number)) for number in range(count))


class Scale:
    """Runs the dimensions; the points of one take turns."""

    def __init__(self, venv, plan, largest):
        self.venv, self.plan = venv, plan
        # Only points up to that number, for a look at whether it works.
        self.upto = lambda numbers: [number for number in numbers if number <= largest] if largest else list(numbers)
        self.cells, self.baselines = {}, {}

    def run(self):
        """All dimensions; slices by cell, and the first label of each as the baseline of its others."""
        self.processes_and_threads()
        self.connections()
        self.bodies()
        self.hosts()
        return self.cells, self.baselines

    def measure(self, cell, entries):
        """Verify each, then take turns."""
        print(cell, flush=True)
        asked = list({entry.workload.name: entry.workload for entry in entries}.values())
        expected = answers(self.venv / "bin" / "python", asked)
        for entry in entries:
            entry.server.verify(entry.workload, expected[entry.workload.name])
            self.baselines[entry.label] = entries[0].label
        self.cells[cell] = measure(cell, entries, self.plan)

    def servers(self, cell, settings, connections=16, workload=HELLO):
        """A server for each setting; all are up while one is measured."""
        with contextlib.ExitStack() as stack:
            entries = []
            for label, name, values, extra in settings:
                server = stack.enter_context(Server(CONTENDERS[name], self.venv, values, extra))
                entries.append(Entry(label, server, workload, connections))
            if entries:
                self.measure(cell, entries)

    def processes_and_threads(self):
        """Daemon processes, then threads of one of them."""
        rows = [(f"{number} processes", OURS[1], {"processes": number}, "") for number in self.upto((1, 2, 4))]
        self.servers("daemon processes of 8 threads, hello, 16 connections", rows)
        rows = [(f"{number} threads", OURS[1], {"processes": 1, "threads": number, **WIDE}, "") for number in self.upto((1, 2, 4, 8, 16, 32, 64))]
        self.servers("threads of one daemon process, hello, 64 connections", rows, 64)

    def connections(self):
        """Connections of clients to the same server."""
        for name in OURS:
            with Server(CONTENDERS[name], self.venv, WIDE) as server:
                counts = self.upto((1, 4, 16, 64, 128, 256, 512))
                # More than the threads of one of httpd's children, and any number of them may come to it.
                entries = [Entry(f"{name}, {count} connections", server, HELLO, count, count > WIDE["child_threads"]) for count in counts]
                self.measure(f"connections, hello, {name}", entries)

    def bodies(self):
        """Response and request bodies from a byte to 100 MB."""
        sizes = self.upto((1, 1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20, 100 << 20))
        for name in OURS:
            with Server(CONTENDERS[name], self.venv) as server:
                down = [Workload(f"size-{size}", f"/size?{size}", "a response") for size in sizes]
                self.measure(f"response body, 4 connections, {name}", [Entry(f"{name}, {it.path[6:]} bytes down", server, it, 4) for it in down])
                up = [Workload(f"upload-{size}", "/upload", "a request", post=size) for size in sizes]
                self.measure(f"request body, 4 connections, {name}", [Entry(f"{name}, {it.post} bytes up", server, it, 4) for it in up])

    def hosts(self):
        """Virtual hosts, asked in turns; with a process group each, then all with the embedded application."""
        if not takes_turns():
            print("Virtual hosts are left out: only wrk can ask several in turns.", flush=True)
            return
        for name, groups, counts in ((OURS[1], True, (1, 10, 50, 200)), (OURS[0], False, (1, 10, 50, 200))):
            with contextlib.ExitStack() as stack:
                entries = []
                for count in self.upto(counts):
                    server = stack.enter_context(Server(CONTENDERS[name], self.venv, {"processes": 1, "threads": 2}, hosts(count, groups)))
                    workload = replace(HELLO, name=f"{count}-hosts", hosts=count)
                    entries.append(Entry(f"{count} {'groups' if groups else 'hosts'}", server, workload, 16))
                if entries:
                    self.measure(f"virtual hosts{' with a process group each' if groups else ''}, hello, 16 connections, {name}", entries)
