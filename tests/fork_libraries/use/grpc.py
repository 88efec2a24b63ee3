import grpc
channel = None

def connect():
    global channel
    channel = grpc.insecure_channel("127.0.0.1:%d" % GRPC)

def use():
    call = channel.unary_unary("/shop.Shop/Echo", request_serializer=bytes, response_deserializer=bytes)
    assert call(b"%d" % NUMBER, timeout=5) == b"%d" % NUMBER
