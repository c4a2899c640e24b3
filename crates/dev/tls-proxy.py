"""Adds TLS with HTTP/2 to a server on loopback. Usage: tls-proxy.py PORT SERVER_PORT CERTIFICATE KEY"""
import socket, ssl, sys, threading

port, server, certificate, key = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.set_alpn_protocols(["h2"])


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close(), sink.close()


def forward(client):
    try:
        client = context.wrap_socket(client, server_side=True)
        upstream = socket.create_connection(("127.0.0.1", server))
    except OSError as error:
        print(f"tls proxy: {error}", file=sys.stderr)
        return client.close()
    threading.Thread(target=copy, args=(upstream, client), daemon=True).start()
    copy(client, upstream)


with socket.create_server(("127.0.0.1", port)) as listener:
    while True:
        threading.Thread(target=forward, args=(listener.accept()[0],), daemon=True).start()
