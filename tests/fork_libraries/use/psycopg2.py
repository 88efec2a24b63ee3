import psycopg2
connection = None

def connect():
    global connection
    connection = psycopg2.connect(host="127.0.0.1", port=POSTGRES, user="postgres", dbname="postgres")

def use():
    with connection.cursor() as cursor:
        cursor.execute("select %s", (NUMBER,))
        assert cursor.fetchone() == (NUMBER,)
