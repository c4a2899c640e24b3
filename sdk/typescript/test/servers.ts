// HTTP servers of the tests: targets of jobs, and proxies in front of the API that fail as networks do.
import { createServer, request as forward, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { after } from "node:test";

export const API = process.env["TRIGRUN_URL"]!;

/** Starts a server that ends with the test file, and returns its address. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface Proxy {
  url: string;
  /** `POST /v1/jobs`, one for each request that arrived. */
  seen: string[];
}

/** What a proxy does with a request, by its number from 0. */
export type Fault = "pass" | "cut" | ((response: ServerResponse) => void);

/** A proxy. With `cut`, the API acts on the request, and the response is lost. */
export async function proxy(fault: (count: number) => Fault): Promise<Proxy> {
  const seen: string[] = [];
  const url = await serve(async (request, response) => {
    const what = fault(seen.length);
    seen.push(`${request.method} ${request.url}`);
    const body = await read(request);
    if (typeof what === "function") return what(response);
    const { method, headers } = request;
    const upstream = forward(API + request.url, { method, headers }, async (answer) => {
      const bytes = await read(answer);
      if (what === "cut") return request.socket.destroy();
      response.writeHead(answer.statusCode!, answer.headers).end(bytes);
    });
    upstream.end(body);
  });
  return { url, seen };
}

export async function read(stream: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await stream.toArray());
}
