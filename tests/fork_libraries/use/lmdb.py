import lmdb
environment = None

def connect():
    global environment
    environment = lmdb.open("shop.lmdb", max_readers=8)

def use():
    with environment.begin(write=True) as transaction:
        transaction.put(b"used", b"%d" % NUMBER)
        assert transaction.get(b"used") == b"%d" % NUMBER
