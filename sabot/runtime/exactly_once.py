"""Which guarantee a worker gives, and what of a plan exactly-once cannot be given for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sabot.errors import ConfigurationError, PlanError
from sabot.kafka.connect import cluster_id
from sabot.kafka.embedded import is_embedded, is_embedded_cluster
from sabot.kafka.guarantee import ProcessingGuarantee
from sabot.kafka.properties import connection_properties
from sabot.kafka.sink import KafkaSinkConfig
from sabot.plan.nodes import Write
from sabot.runtime.compile import DomainPlan

__all__ = ["check_clusters", "check_exactly_once", "guarantee_of", "sinks_of"]


def guarantee_of(
    plans: Sequence[DomainPlan], wanted: ProcessingGuarantee | None = None
) -> ProcessingGuarantee:
    """Return the one guarantee of all plans; those that ask for none get it, too.

    Args:
        plans: The domains.
        wanted: What the app or the command line asks for.

    Raises:
        ConfigurationError: If two are asked for, or if it cannot be kept for some plan.
    """
    asked: dict[ProcessingGuarantee, str] = {} if wanted is None else {wanted: "the app"}
    for plan in plans:
        for source in plan.sources:
            mine = getattr(source, "processing_guarantee", None)
            if mine is not None:
                asked.setdefault(mine, source.title)
    if len(asked) > 1:
        said = ", ".join(f"{name!r} by {who}" for name, who in asked.items())
        raise ConfigurationError(
            f"a process has one processing_guarantee, and two are asked for: {said}; make them "
            "equal, or run two processes"
        )
    guarantee: ProcessingGuarantee = next(iter(asked), "at_least_once")
    if guarantee == "exactly_once":
        for plan in plans:
            check_exactly_once(plan)
    return guarantee


def sinks_of(plan: DomainPlan) -> list[KafkaSinkConfig]:
    """Return the topics a domain writes to, in the order of its outputs."""
    nodes = [output.node for pipeline in plan.pipelines for output in pipeline.outputs]
    sinks = [node.sink for node in nodes if isinstance(node, Write)]
    return [sink for sink in sinks if isinstance(sink, KafkaSinkConfig)]


def check_exactly_once(plan: DomainPlan) -> None:
    """Refuse a plan whose outputs and commits cannot be one transaction.

    Raises:
        ConfigurationError: If a source does not commit by itself, if something is on the
            embedded broker, or if sinks ask for producers that differ.
        PlanError: If outputs and sources are on different clusters.
    """
    sinks = sinks_of(plan)
    sources = [source for source in plan.sources if hasattr(source, "bootstrap_servers")]
    for place in (*sources, *sinks):
        if is_embedded(str(place.bootstrap_servers)):
            raise _not_embedded(place.title)
    for source in sources:
        if not source.enable_auto_commit:
            raise ConfigurationError(
                f"exactly_once commits by itself, and {source.title} has enable_auto_commit=False; "
                "leave that out, or use at_least_once"
            )
    for other in (*sources, *sinks)[1:]:
        first = (*sources, *sinks)[0]
        if not _addresses(first) & _addresses(other):
            raise PlanError(
                f"exactly_once is one transaction on one cluster, and {first.title} and "
                f"{other.title} have no address in common; write to the cluster that is read, or "
                "use at_least_once (two addresses of one cluster have to be given alike)"
            )
    for other in sinks[1:]:
        _check_alike(sinks[0], other)
    for sink in sinks[:1]:
        _check_acks(sink)


def _not_embedded(title: str) -> ConfigurationError:
    return ConfigurationError(
        f"exactly_once is not possible on the embedded broker ({title}): it keeps no offsets that "
        "are committed in a transaction; use a real one, or at_least_once"
    )


def check_clusters(plan: DomainPlan, timeout: float) -> None:
    """Make sure that all addresses are those of one cluster, and that it has transactions.

    Raises:
        PlanError: If they are not.
        ConfigurationError: If it is an embedded broker's.
        BrokerUnavailableError: If one of them does not answer in time.
    """
    places: dict[frozenset[str], Any] = {}
    for place in (*plan.sources, *sinks_of(plan)):
        if hasattr(place, "bootstrap_servers"):
            places.setdefault(frozenset(_addresses(place)), place)
    found: dict[str, Any] = {}
    for place in places.values():
        given = place.properties if isinstance(place, KafkaSinkConfig) else place.consumer_config
        connection = connection_properties(given)
        name = cluster_id({**connection, "bootstrap.servers": place.bootstrap_servers}, timeout)
        if is_embedded_cluster(name):
            raise _not_embedded(place.title)
        found.setdefault(name, place)
    if len(found) > 1:
        titles = " and ".join(f"{place.title} (cluster {name})" for name, place in found.items())
        raise PlanError(f"exactly_once is one transaction on one cluster, and there are {titles}")


def _check_alike(first: KafkaSinkConfig, other: KafkaSinkConfig) -> None:
    differing = [
        name
        for name in sorted({*first.properties, *other.properties})
        if first.properties.get(name) != other.properties.get(name)
    ]
    if first.compression_type != other.compression_type:
        differing.append("compression_type")
    if differing:
        raise ConfigurationError(
            f"under exactly_once all outputs share one producer, and {first.title} and "
            f"{other.title} differ in {', '.join(differing)}; make these equal, or use "
            "at_least_once"
        )


def _check_acks(sink: KafkaSinkConfig) -> None:
    acks = sink.properties.get("acks", sink.properties.get("request.required.acks"))
    if acks is not None and str(acks) not in ("all", "-1"):
        raise ConfigurationError(
            f"{sink.title} has acks={acks!r}; exactly_once needs 'all', which is the default"
        )


def _addresses(place: Any) -> set[str]:
    return {each.strip() for each in str(place.bootstrap_servers).split(",")}
