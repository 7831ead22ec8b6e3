"""Makes the discoveries that the settings ask for."""

import os
import socket
from collections.abc import Mapping
from typing import assert_never

from memsnap.collector.discovery.dns import Names
from memsnap.collector.discovery.files import FileLists
from memsnap.collector.discovery.found import Discovery
from memsnap.collector.discovery.http import HttpList
from memsnap.collector.discovery.kubernetes import Pods
from memsnap.collector.discovery.polling import Looking, Polling
from memsnap.collector.discovery.processes import Processes
from memsnap.collector.discovery.static import Static
from memsnap.config.settings import (
    CollectorSettings,
    DiscoverSettings,
    DnsSearch,
    FileSearch,
    HttpSearch,
    KubernetesSearch,
    ProcessSearch,
    Settings,
)


def discoveries(
    settings: Settings, *, host: str = "", environment: Mapping[str, str] = os.environ
) -> tuple[Discovery, ...]:
    """Return all discoveries, the list of the file first.

    `host` names this machine in the keys of targets that it alone can reach; left out, it is that
    of the settings, or the machine's own.
    """
    collector = settings.collector
    host = host or collector.host or socket.gethostname()
    static = Static(targets=settings.targets, collector=collector, host=host)
    others = (_discovery(one, collector, host, environment) for one in settings.discovers)
    return (static, *others)


def _discovery(
    discover: DiscoverSettings,
    collector: CollectorSettings,
    host: str,
    environment: Mapping[str, str],
) -> Discovery:
    search = discover.search
    looking: Looking
    match search:
        case ProcessSearch():
            looking = Processes(search=search)
        case FileSearch():
            looking = FileLists(search=search)
        case HttpSearch():
            looking = HttpList(search=search, environment=environment)
        case DnsSearch():
            looking = Names(search=search)
        case KubernetesSearch():
            return Pods(
                search=search,
                discover=discover,
                collector=collector,
                host=host,
                environment=environment,
            )
        case _:
            assert_never(search)
    return Polling(
        discover=discover,
        collector=collector,
        host=host,
        every_s=search.every_s,
        looking=looking,
    )
