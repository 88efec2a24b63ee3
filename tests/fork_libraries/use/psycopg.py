import psycopg
connection = None

def connect():
    global connection
    connection = psycopg.connect("host=127.0.0.1 port=%s user=postgres dbname=postgres" % POSTGRES)

def use():
    assert connection.execute("select %s::int", (NUMBER,)).fetchone() == (NUMBER,)
