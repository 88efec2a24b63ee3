import MySQLdb
connection = None

def connect():
    global connection
    connection = MySQLdb.connect(host="127.0.0.1", port=MYSQL, user="root")

def use():
    cursor = connection.cursor()
    cursor.execute("select %s", (NUMBER,))
    assert cursor.fetchone() == (NUMBER,)
