import grpc
channel = None

def use():
    global channel
    channel = channel or grpc.insecure_channel("127.0.0.1:%d" % GRPC)
    call = channel.unary_unary("/shop.Shop/Echo", request_serializer=bytes, response_deserializer=bytes)
    assert call(b"1", timeout=5) == b"1"

@atexit.register
def close():
    use()
    channel.close()
    say("closed")
