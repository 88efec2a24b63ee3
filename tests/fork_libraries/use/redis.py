import redis
client = redis.Redis(port=REDIS)

def use():
    client.set("number %d" % NUMBER, NUMBER)
    assert client.get("number %d" % NUMBER) == b"%d" % NUMBER
