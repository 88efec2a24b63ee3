from psycopg_pool import ConnectionPool
pool = ConnectionPool("host=127.0.0.1 port=%s user=postgres dbname=postgres" % POSTGRES, open=False)

def connect():
    pool.open()

def use():
    with pool.connection(timeout=10) as connection:
        assert connection.execute("select %s::int", (NUMBER,)).fetchone() == (NUMBER,)
