import psycopg2.pool
pool = None

def connect():
    global pool
    pool = psycopg2.pool.ThreadedConnectionPool(
        1, 4, host="127.0.0.1", port=POSTGRES, user="postgres", dbname="postgres")

def use():
    connection = pool.getconn()
    with connection.cursor() as cursor:
        cursor.execute("select %s", (NUMBER,))
        assert cursor.fetchone() == (NUMBER,)
    pool.putconn(connection)
