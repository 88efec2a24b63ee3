from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter("http://127.0.0.1:%s/v1/traces" % SINK)))
reader = PeriodicExportingMetricReader(OTLPMetricExporter("http://127.0.0.1:%s/v1/metrics" % SINK))
counter = MeterProvider(metric_readers=[reader]).get_meter("shop").create_counter("used")

def use():
    counter.add(1)
    with provider.get_tracer("shop").start_as_current_span("used"):
        pass
    assert provider.force_flush(5000)
    has_thread("OtelBatchSpanRecordProcessor")
    has_thread("OtelPeriodicExportingMetricReader")
