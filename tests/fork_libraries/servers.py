"""A server for a client of the tests: `servers.py grpc` or `servers.py mongo`. Says its port, and serves."""
import socketserver
import struct
import sys


def grpc_server():
    import concurrent.futures
    import grpc

    class Echo(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: request)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([Echo()])
    print("ready", server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


class Mongo(socketserver.StreamRequestHandler):
    """Answers every command of MongoDB's protocol (OP_MSG, OP_QUERY) as a lone server would answer `hello`."""

    def handle(self):
        import bson

        hello = {
            "ok": 1, "isWritablePrimary": True, "ismaster": True, "helloOk": True, "minWireVersion": 0,
            "maxWireVersion": 21, "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000,
            "maxWriteBatchSize": 1000, "readOnly": False,
        }
        while True:
            header = self.rfile.read(16)
            if len(header) < 16:
                return
            size, request, _, opcode = struct.unpack("<4i", header)
            self.rfile.read(size - 16)
            document = bson.encode(hello)
            if opcode == 2013:
                body = struct.pack("<iB", 0, 0) + document
            else:
                opcode, body = 1, struct.pack("<iqii", 0, 0, 0, 1) + document
            self.wfile.write(struct.pack("<4i", 16 + len(body), 1, request, opcode) + body)


def mongo_server():
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mongo) as server:
        print("ready", server.server_address[1], flush=True)
        server.serve_forever()


{"grpc": grpc_server, "mongo": mongo_server}[sys.argv[1]]()
