os.environ.update(DD_TRACE_AGENT_URL="http://127.0.0.1:%s" % SINK, DD_REMOTE_CONFIGURATION_ENABLED="false",
                  DD_INSTRUMENTATION_TELEMETRY_ENABLED="false", DD_TRACE_WRITER_INTERVAL_SECONDS="1000")
from ddtrace.trace import tracer

def use():
    with tracer.trace("used"):
        pass
