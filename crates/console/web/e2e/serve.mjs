// Serves dist/ with the headers of the crate trigrun-console, and passes /v1 on to a server: the console as it ships, in
// front of a server that has no console.
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = process.env.CONSOLE_DIST ?? fileURLToPath(new URL('../dist/', import.meta.url));
const SERVE_RS = fileURLToPath(new URL('../../src/serve.rs', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** The policy as the crate has it, so that there is one. */
function policy() {
  const [, text] = /CONTENT_SECURITY_POLICY: &str = "([^"]+)"/.exec(readFileSync(SERVE_RS, 'utf8'));
  return text.replace(/\\\s+/g, '');
}

/** Starts it on a free port, and returns its address and how to stop it. */
export async function serve(api) {
  const headers = {
    'Content-Security-Policy': policy(),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  };
  const server = createServer((incoming, outgoing) => {
    const path = normalize(new URL(incoming.url, 'http://localhost').pathname);
    if (path.startsWith('/v1/')) return pass(api, incoming, outgoing);
    const file = join(DIST, path);
    const found =
      path !== '/' && existsSync(file) && statSync(file).isFile() ? file : join(DIST, 'index.html');
    outgoing.writeHead(200, {
      ...headers,
      'Content-Type': TYPES[extname(found)] ?? 'application/octet-stream',
    });
    createReadStream(found).pipe(outgoing);
  });
  const start = (port) => new Promise((resolve) => server.listen(port, 'localhost', resolve));
  await start(0);
  const { port } = server.address();
  return {
    url: `http://localhost:${port}`,
    /** Refuses connections and ends those that are open. */
    stop: () => server.closeAllConnections() ?? server.close(),
    /** Listens again, at the same address. */
    start: () => start(port),
  };
}

function pass(api, incoming, outgoing) {
  const { hostname, port } = new URL(api);
  const { url: path, method, headers } = incoming;
  const outward = request({ hostname, port, path, method, headers }, (response) => {
    outgoing.writeHead(response.statusCode, response.headers);
    response.pipe(outgoing);
  });
  outward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => outward.destroy());
  incoming.pipe(outward);
}
