# What stands in for the functions of the module `uwsgi` that belong to a request of uWSGI's own.
#
# Outside of one they read memory that is not set up (a crash in add_var, with `threads` in others)
# or act on descriptor 0 (disconnect). A warm-up request is none of uWSGI's.

import sys

# What a request without a client would get.
ANSWERS = {
    "add_var": True,
    "set_logvar": None,
    "get_logvar": None,
    "log_this_request": None,
    "set_user_harakiri": None,
    "request_id": 0,
    "cl": 0,
    "connection_fd": -1,
    "ready_fd": None,
    "disconnect": None,
}

# There is nothing to answer.
REFUSED = (
    "send sendfile advanced_sendfile offload route signal_wait signal_received request_context "
    "async_sleep async_connect green_schedule suspend wait_fd_read wait_fd_write start_response "
    "websocket_handshake websocket_recv websocket_recv_nb websocket_send websocket_send_binary "
    "chunked_read chunked_read_nb"
).split()


def answering(answer):
    return lambda *args, **kwargs: answer


def refusing(name):
    def refuse(*args, **kwargs):
        raise OSError("uwsgi.%s: a warm-up request has no client" % name)

    return refuse


class StandIns:
    """While it lasts they stand in the module, and wherever `from uwsgi import ..` put them."""

    def __enter__(self):
        import uwsgi

        functions = vars(uwsgi)
        by_id, self.replaced = {}, []
        for name in [*ANSWERS, *REFUSED]:
            if name in functions:
                known = name in ANSWERS
                by_id[id(functions[name])] = (
                    functions[name],
                    answering(ANSWERS[name]) if known else refusing(name),
                )
        alone = sys.getrefcount(functions.get("worker_id"))
        taken = [function for function, _ in by_id.values() if sys.getrefcount(function) > alone]
        holders = [functions]
        if taken:
            import gc

            holders += [h for h in gc.get_referrers(*taken) if type(h) is dict and h is not functions]
        for holder in holders:
            for name, value in list(holder.items()):
                if id(value) in by_id and by_id[id(value)][0] is value and type(name) is str:
                    self.replaced.append((holder, name, value))
                    holder[name] = by_id[id(value)][1]
        return self

    def __exit__(self, *_):
        for holder, name, value in self.replaced:
            holder[name] = value
        self.replaced = []
