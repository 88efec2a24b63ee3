import pymongo
client = None

def connect():
    global client
    client = pymongo.MongoClient("mongodb://127.0.0.1:%d" % MONGO, serverSelectionTimeoutMS=5000)

def use():
    assert client.admin.command("ping")["ok"] == 1
    has_thread("pymongo_server_monitor_thread")
