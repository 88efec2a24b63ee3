import logging, logging.handlers, queue

class Slow(logging.Handler):
    def emit(self, record):
        time.sleep(0.005)
        say(record.getMessage())

listener = None
logger = logging.getLogger("shop")

def use():
    global listener
    if not listener:
        records = queue.Queue()
        logger.addHandler(logging.handlers.QueueHandler(records))
        listener = logging.handlers.QueueListener(records, Slow())
        listener.start()
        atexit.register(listener.stop)
    for _ in range(20):
        logger.warning("a record")
