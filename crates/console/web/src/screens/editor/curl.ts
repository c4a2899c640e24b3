/** A request of the API as a curl command: what the console does, a program can do. */

import { command, quoted } from './shell';

interface ApiRequest {
  method: 'POST' | 'PATCH';
  /** `/v1/jobs` */
  path: string;
  body: unknown;
  /** The version that must be current. */
  version?: number | undefined;
}

/** The command. It takes the token from `TRIGRUN_TOKEN`, so that no token is in what is copied. */
export function curlOf(origin: string, { method, path, body, version }: ApiRequest): string {
  const options = [
    '-H "Authorization: Bearer $TRIGRUN_TOKEN"',
    "-H 'Content-Type: application/json'",
    ...(version === undefined ? [] : [`-H 'If-Match: "${version}"'`]),
    `-d ${quoted(JSON.stringify(body, null, 2))}`,
  ];
  return command(`curl -X ${method} ${quoted(`${origin}${path}`)}`, options);
}
