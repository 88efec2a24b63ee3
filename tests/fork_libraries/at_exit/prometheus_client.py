import tempfile
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(dir="."))
from prometheus_client import CollectorRegistry, Counter, multiprocess
counter = Counter("used", "How often")

def use():
    counter.inc()

def after():
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return int(registry.get_sample_value("used_total"))
