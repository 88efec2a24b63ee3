import requests
session = requests.Session()

def use():
    answer = session.get("http://127.0.0.1:%d/echo?%d" % (SINK, NUMBER), timeout=5)
    assert answer.text == str(NUMBER), answer.text
