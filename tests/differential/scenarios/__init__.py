"""The scenarios, a file for each topic."""

import dataclasses
import importlib
import pkgutil


def collect():
    """Every scenario of every file, with its topic."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        topic = importlib.import_module(f"{__name__}.{module.name}")
        found += [dataclasses.replace(scenario, topic=module.name) for scenario in topic.SCENARIOS]
    return found


SCENARIOS = collect()
