os.environ.update(NEW_RELIC_LICENSE_KEY="0" * 40, NEW_RELIC_DEVELOPER_MODE="true", NEW_RELIC_APP_NAME="shop",
                  NEW_RELIC_LOG="newrelic.log", NEW_RELIC_LOG_LEVEL="debug")
import newrelic.agent
newrelic.agent.initialize()

def wrap(application):
    return newrelic.agent.WSGIApplicationWrapper(application)

def use():
    newrelic.agent.register_application(timeout=20)

def after():
    with open("newrelic.log") as log:
        return log.read().count("New Relic Python Agent Shutdown")
