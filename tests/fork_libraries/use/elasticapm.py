import elasticapm
client = None

def connect():
    global client
    client = elasticapm.Client(server_url="http://127.0.0.1:%s" % SINK, service_name="shop",
                               central_config=False, cloud_provider="none", metrics_interval="0ms")

def use():
    client.capture_message("used")
    client._transport.flush()
    has_thread("eapm event processor thread")
