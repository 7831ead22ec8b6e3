"""Where the API of a cluster is, and how it lets us in."""

import pytest

from memsnap.collector.discovery.kubeapi import cluster
from memsnap.config.settings import AccessSettings, KubernetesSearch
from memsnap.errors import TargetError

INSIDE = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_inside_of_a_cluster_its_service_account_is_used():
    place = cluster(KubernetesSearch(), INSIDE)
    assert place.url == "https://10.96.0.1:443"
    assert place.settings == AccessSettings(token_file=f"{ACCOUNT}/token", ca=f"{ACCOUNT}/ca.crt")


def test_what_the_configuration_says_comes_first():
    request = AccessSettings(token_env="TOKEN", insecure=True)
    place = cluster(KubernetesSearch(request=request), INSIDE | {"KUBERNETES_SERVICE_HOST": "::1"})
    assert (place.url, place.settings) == ("https://[::1]:443", request)
    elsewhere = KubernetesSearch(api="https://kube.example:6443/", request=request)
    assert cluster(elsewhere, INSIDE).url == "https://kube.example:6443"


def test_outside_there_is_no_cluster():
    with pytest.raises(TargetError, match="no Kubernetes cluster"):
        cluster(KubernetesSearch(), {})
