from psycopg_pool import ConnectionPool
pool = ConnectionPool("host=127.0.0.1 port=%s user=postgres dbname=postgres" % POSTGRES, open=False)

def use():
    pool.open()
    with pool.connection(timeout=10) as connection:
        assert connection.execute("select 1").fetchone() == (1,)

@atexit.register
def close():
    use()
    pool.close()
    say("closed")
