"""Measures what clients that wait for executions cost an API process.

Usage: trigrun-embed exec -- python3 crates/dev/waiting.py DIRECTORY_OF_BINARIES [CLIENTS]

CLIENTS (1,000) requests GET /v1/executions/{id}?wait=25 wait at a time for executions that do not end, one execution each, 50 in each
workspace of an account of its own. Prints the processor time of the process, in percent of a core, while all of them wait, and over
several rounds, which include the requests themselves. Needs only the standard library.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time

BINARIES = sys.argv[1]
CLIENTS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
PER_WORKSPACE = 50
WAIT_SECONDS = 25
START_SECONDS = 8
ROUNDS = 2
POSTGRES = os.environ["TRIGRUN_TEST_POSTGRES"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def operator(*arguments):
    return subprocess.run([f"{BINARIES}/trigrun-api", *arguments], check=True, stdout=subprocess.PIPE, text=True, env=ENV).stdout.strip()


async def request(method, path, token, body=b""):
    """On a new connection. Returns the status and the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n" if body else "\r\n"
    writer.write(head.encode() + body)
    response = await reader.read()
    writer.close()
    head, _, text = response.partition(b"\r\n\r\n")
    return int(head.split()[1]), text


async def created(path, token, body=b""):
    status, text = await request("POST", path, token, body)
    assert status in (201, 202), text
    return json.loads(text)["id"]


async def executions():
    """Open executions with the tokens that read them. No executor runs, so none of them ends."""
    job = b'{"name": "waits", "kind": "cron", "schedule": {"cron": "@yearly"}, "request": {"url": "https://example.com/"}}'
    found = []
    for number in range(-(-CLIENTS // PER_WORKSPACE)):
        workspace = operator("workspace", "create", "--name", f"waiting {number}")
        token = operator("token", "create", "--workspace", workspace, "--name", "waiting")
        id = await created("/v1/jobs", token, job)
        for _ in range(min(PER_WORKSPACE, CLIENTS - len(found))):
            found.append((token, await created(f"/v1/jobs/{id}/run-now", token)))
    return found


async def measure(pid):
    clients = await executions()

    async def wait(index, token, execution):
        # The requests come one after the other, as those of many clients do.
        await asyncio.sleep(START_SECONDS * index / len(clients))
        while True:
            started = time.monotonic()
            status, text = await request("GET", f"/v1/executions/{execution}?wait={WAIT_SECONDS}", token)
            if status != 429:
                break
            await asyncio.sleep(1)
        assert time.monotonic() - started >= WAIT_SECONDS, "it did not wait"
        assert status == 200 and b'"status":"queued"' in text, text

    async def round():
        await asyncio.gather(*(wait(index, *client) for index, client in enumerate(clients)))

    async def share(seconds):
        before, started = cpu_seconds(pid), time.monotonic()
        await asyncio.sleep(seconds)
        return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - started)

    print(f"idle: {await share(10):.1f} % of a core", flush=True)
    waiting = asyncio.create_task(round())
    await asyncio.sleep(START_SECONDS + 4)
    print(f"{CLIENTS} clients wait: {await share(10):.1f} % of a core", flush=True)
    await waiting
    before, started = cpu_seconds(pid), time.monotonic()
    for _ in range(ROUNDS):
        await round()
    share = 100 * (cpu_seconds(pid) - before) / (time.monotonic() - started)
    print(f"{CLIENTS} clients wait again and again, with their requests: {share:.1f} % of a core")


PORT, PROBES = free_port(), free_port()
ENV = dict(os.environ)
ENV.update(
    TRIGRUN__POSTGRES__URL=POSTGRES,
    TRIGRUN__REDIS__URL=os.environ["TRIGRUN_TEST_REDIS"],
    TRIGRUN__SERVER__ADDRESS=f"127.0.0.1:{PORT}",
    TRIGRUN__TELEMETRY__PROBES_ADDRESS=f"127.0.0.1:{PROBES}",
    TRIGRUN__TELEMETRY__LOG_FILTER="warn",
    TRIGRUN__LIMITS__WORKSPACE_BURST="100000",
    TRIGRUN__LIMITS__TOKEN_BURST="100000",
)
keys = subprocess.run([f"{BINARIES}/trigrun-api", "keys", "generate"], check=True, capture_output=True, text=True).stdout
ENV["TRIGRUN__KEYS__MASTER"] = json.dumps([keys.strip()])
operator("migrate")
api = subprocess.Popen([f"{BINARIES}/trigrun-api"], env=ENV)
try:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", PORT)).close()
            break
        except OSError:
            time.sleep(0.1)
    asyncio.run(measure(api.pid))
finally:
    api.terminate()
    api.wait()
