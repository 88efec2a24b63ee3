import sqlite3
connection = None

def connect():
    global connection
    connection = sqlite3.connect("shop.sqlite3", timeout=10)
    with connection:
        connection.execute("create table if not exists used (number)")

def use():
    with connection:
        connection.execute("insert into used values (?)", (NUMBER,))
