"""What a registry tells, as Prometheus reads it."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

Told = dict[tuple[str, frozenset[tuple[str, str]]], float]


def told_in(text: str) -> Told:
    """The samples of a page of figures, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """What one sample is; None: there is none."""
    return told_in(generate_latest(registry).decode()).get((name, frozenset(labels.items())))


def names_in(registry: CollectorRegistry) -> set[str]:
    """The names of figures, as they are written in queries without the suffixes of histograms."""
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(generate_latest(registry).decode())
    }
