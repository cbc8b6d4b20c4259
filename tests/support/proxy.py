"""A forward proxy for scripts/test-bare. It prints its address, passes requests on, and prints the method and host
of each to standard error. It supports what apt and pip need: plain http (a whole address after GET) and tunnels
(CONNECT)."""
import http.server
import select
import socket
import sys
import urllib.parse


class Proxy(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def open(self, host, port):
        print(self.command, host, file=sys.stderr, flush=True)
        try:
            return socket.create_connection((host, port), timeout=60)
        except OSError as error:
            self.send_error(502, f"{host}:{port}: {error}")
            return None

    def pass_on(self, server):
        """Copies bytes in both directions until one side ends, after those that the reader of the request has
        buffered."""
        self.close_connection = True
        self.wfile.flush()
        ends = {self.connection: server, server: self.connection}
        while True:
            ready, _, _ = select.select(list(ends), [], [], 300)
            for end in ready:
                data = end.recv(1 << 16)
                if not data:
                    return
                ends[end].sendall(data)
            if not ready:
                return

    def do_CONNECT(self):
        host, _, port = self.path.rpartition(":")
        server = self.open(host, int(port))
        if server:
            with server:
                self.send_response(200)
                self.end_headers()
                self.pass_on(server)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        server = self.open(url.hostname, url.port or 80)
        if server:
            with server:
                del self.headers["Connection"], self.headers["Proxy-Connection"]
                path = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
                lines = [f"{self.command} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in self.headers.items())]
                server.sendall(("\r\n".join([*lines, "Connection: close", "", ""])).encode("latin-1"))
                self.pass_on(server)

    do_HEAD = do_GET


if __name__ == "__main__":
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    print(f"http://127.0.0.1:{listener.server_port}", flush=True)
    listener.serve_forever()
