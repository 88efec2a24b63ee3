import httpx
client = httpx.Client()

def use():
    answer = client.get("http://127.0.0.1:%d/echo?%d" % (SINK, NUMBER), timeout=5)
    assert answer.text == str(NUMBER), answer.text
