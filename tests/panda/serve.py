"""The real panda-server's WSGI application over TLS, as Apache's mod_wsgi and mod_ssl hand requests to it.

Run by the interpreter that has panda-server: `python serve.py PORT CERTIFICATE`. The certificate is its own CA, for
clients too.
"""

import ssl
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def get_environ(self):
        """The whole path is the script's name (WSGIScriptAliasMatch), and a client's certificate is told."""
        environ = super().get_environ()
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = environ["PATH_INFO"], ""
        environ["HTTPS"] = "on"
        environ.setdefault("CONTENT_LENGTH", "0")
        environ["CONTENT_LENGTH"] = environ["CONTENT_LENGTH"] or "0"
        certificate = self.connection.getpeercert()
        if certificate:
            names = [value for part in certificate["subject"] for _, value in part]
            environ["SSL_CLIENT_S_DN"] = "".join(f"/CN={name}" for name in names)
            environ["SSL_CLIENT_VERIFY"] = "SUCCESS"
        return environ

    def log_message(self, *args):
        pass


def main(port, certificate):
    from pandaserver.server.panda import application

    server = make_server("127.0.0.1", int(port), application, Server, Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_OPTIONAL
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print("serving", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
