from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(
    OTLPSpanExporter("http://127.0.0.1:%s/v1/traces" % SINK), schedule_delay_millis=1000000))

def use():
    with provider.get_tracer("shop").start_as_current_span("used"):
        pass
