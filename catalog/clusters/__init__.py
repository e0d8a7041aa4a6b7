"""PostgreSQL clusters: embedded children, external servers, and the pool that starts and stops them."""

from catalog.clusters.cluster import Cluster, ClusterAddress
from catalog.clusters.embedded import EmbeddedCluster, EmbeddedSettings
from catalog.clusters.external import ExternalCluster
from catalog.clusters.pool import ClusterPool

__all__ = ["Cluster", "ClusterAddress", "ClusterPool", "EmbeddedCluster", "EmbeddedSettings", "ExternalCluster"]
