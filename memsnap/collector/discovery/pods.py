"""What the Kubernetes API says of pods (core/v1), and which of them ask to be captured.

memsnap.io/scrape: "true"        the pod is a target
memsnap.io/port: "6060"          where pprof is: a port or a container port's name, or several
                                 with commas; left out, the port named pprof, or the only one
memsnap.io/path: /debug/pprof    where it is below, if not there
memsnap.io/scheme: https         if not http
"""

import re
from collections.abc import Iterator

import msgspec

from memsnap.collector.discovery.candidates import ADDRESS, PATH, SCHEME, Candidate

_PREFIX = "memsnap.io/"
_PPROF = "pprof"
_APP_LABELS = ("app.kubernetes.io/name", "app", "k8s-app")


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """ObjectMeta and ListMeta; `continue_` is where the next page of a list begins."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class ContainerPort(msgspec.Struct, frozen=True, rename="camel"):
    """A port that a container says it has."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"


class Container(msgspec.Struct, frozen=True, rename="camel"):
    """A container of a pod."""

    name: str
    ports: list[ContainerPort] | None = None


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    """What was asked for."""

    node_name: str = ""
    containers: list[Container] | None = None


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What there is."""

    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")


class Pod(msgspec.Struct, frozen=True, rename="camel"):
    """A pod, or in a bookmark its resource version alone."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class PodList(msgspec.Struct, frozen=True, rename="camel"):
    """A page of the list of pods."""

    metadata: Metadata
    items: list[Pod] | None = None


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """A line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK with a pod, ERROR with a Status."""

    type: str
    object: msgspec.Raw


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """Why a request failed."""

    message: str = ""
    code: int = 0


def candidates_of(pod: Pod, source: str) -> Iterator[Candidate]:
    """Yield the targets that a pod says it has; none unless it runs and asks for it."""
    annotations = pod.metadata.annotations or {}
    wanted = annotations.get(f"{_PREFIX}scrape", "").lower() == "true"
    if not wanted or not runs(pod):
        return
    for port in _ports(pod, annotations.get(f"{_PREFIX}port", "")):
        container = _container(pod, port)
        labels = _labels(pod, container)
        labels[ADDRESS] = _address(pod.status.pod_ip, port)
        labels[SCHEME] = annotations.get(f"{_PREFIX}scheme", "http")
        labels[PATH] = annotations.get(f"{_PREFIX}path", "")
        yield Candidate(
            labels=labels,
            service=_service(pod, container),
            key=f"{source}/{pod.metadata.namespace}/{pod.metadata.name}:{port}",
        )


def runs(pod: Pod) -> bool:
    """Whether a pod has an address that answers: it runs and is not being deleted."""
    return (
        pod.status.phase == "Running"
        and bool(pod.status.pod_ip)
        and pod.metadata.deletion_timestamp is None
    )


def problem_of(pod: Pod) -> str:
    """Return why a pod that asks to be captured is no target though it runs; empty if it is."""
    annotations = pod.metadata.annotations or {}
    if annotations.get(f"{_PREFIX}scrape", "").lower() != "true" or not runs(pod):
        return ""
    given = annotations.get(f"{_PREFIX}port", "")
    if list(_ports(pod, given)):
        return ""
    what = f"has no port {given!r}" if given else "does not say which port: set memsnap.io/port"
    return f"the pod {pod.metadata.namespace}/{pod.metadata.name} {what}"


def _ports(pod: Pod, given: str) -> Iterator[int]:
    declared = [port for _, port in _declared(pod)]
    named = {port.name: port.container_port for port in declared if port.name}
    if not given:
        if _PPROF in named:
            yield named[_PPROF]
        elif len(declared) == 1:
            yield declared[0].container_port
        return
    for one in filter(None, (part.strip() for part in given.split(","))):
        if one.isdecimal() and 0 < int(one) < 65536:
            yield int(one)
        elif one in named:
            yield named[one]


def _declared(pod: Pod) -> Iterator[tuple[Container, ContainerPort]]:
    for container in pod.spec.containers or []:
        for port in container.ports or []:
            if port.protocol == "TCP":
                yield container, port


def _container(pod: Pod, port: int) -> str:
    """Return the name of the container that declares a port, or of the only one."""
    owners = [one.name for one, declared in _declared(pod) if declared.container_port == port]
    if not owners and len(pod.spec.containers or []) == 1:
        owners = [one.name for one in pod.spec.containers or []]
    return owners[0] if owners else ""


def _labels(pod: Pod, container: str) -> dict[str, str]:
    metadata = pod.metadata
    labels = {
        "namespace": metadata.namespace,
        "pod": metadata.name,
        "node": pod.spec.node_name,
        "container": container,
    }
    meta = "__meta_kubernetes_pod"
    for kind, pairs in (("label", metadata.labels), ("annotation", metadata.annotations)):
        for name, value in (pairs or {}).items():
            labels[f"{meta}_{kind}_{re.sub(r'[^a-zA-Z0-9_]', '_', name)}"] = value
    return {name: value for name, value in labels.items() if value}


def _service(pod: Pod, container: str) -> str:
    own = pod.metadata.labels or {}
    named = (own[name] for name in _APP_LABELS if own.get(name))
    return next(named, container or pod.metadata.name)


def _address(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
