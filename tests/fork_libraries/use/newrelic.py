import os
os.environ.update(NEW_RELIC_LICENSE_KEY="0" * 40, NEW_RELIC_DEVELOPER_MODE="true", NEW_RELIC_APP_NAME="shop")
import newrelic.agent
newrelic.agent.initialize()
if WHEN == "AtLoad":
    newrelic.agent.register_application(timeout=10)

def wrap(application):
    return newrelic.agent.WSGIApplicationWrapper(application)

def use():
    if WHEN != "AtLoad" and os.getpid() != MASTER:
        import time
        end = time.monotonic() + 25  # the first request starts the agent, which takes its time
        while True:
            try:
                return has_thread("NR-Harvest-Thread")
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
