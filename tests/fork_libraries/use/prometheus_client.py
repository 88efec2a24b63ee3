import os, tempfile
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(dir="."))
from prometheus_client import CollectorRegistry, Counter, multiprocess
counter = Counter("used", "How often")

def use():
    registry = CollectorRegistry()
    collector = multiprocess.MultiProcessCollector(registry)
    before = registry.get_sample_value("used_total") or 0
    counter.inc()
    assert registry.get_sample_value("used_total") > before
