import sqlalchemy
engine = sqlalchemy.create_engine("postgresql+psycopg2://postgres@127.0.0.1:%s/postgres" % POSTGRES)

def use():
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("select %d" % NUMBER)).scalar() == NUMBER
