import sentry_sdk
sentry_sdk.init(dsn="http://key@127.0.0.1:%s/1" % SINK)

def use():
    sentry_sdk.capture_message("used")
    sentry_sdk.flush(5)
    has_thread("sentry-sdk.BackgroundWorker")
