import sentry_sdk
sentry_sdk.init(dsn="http://key@127.0.0.1:%s/1" % SINK)
# Runs before Sentry's own, which has to send it.
atexit.register(sentry_sdk.capture_message, "leaves")

def use():
    pass
