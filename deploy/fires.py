"""Fires for check-cluster.sh: 240 jobs, one every quarter of a second, and what became of them.

fires.py make NAME TARGET     makes them, the first due in half a minute; returns just before
fires.py count NAME [--once]  waits until all should be over; ends 1 unless each fire has one execution that succeeded,
                              with --once by its first attempt

TRIGRUN_URL and TRIGRUN_TOKEN say where.
"""

import collections, datetime, json, os, sys, time, urllib.error, urllib.request

FIRES, EVERY_SECONDS, AHEAD_SECONDS, TRIES = 240, 0.25, 30, 60


def ask(method, path, body=None, key=None):
    for attempt in range(TRIES):
        request = urllib.request.Request(os.environ["TRIGRUN_URL"] + path, method=method)
        request.add_header("Authorization", "Bearer " + os.environ["TRIGRUN_TOKEN"])
        if key is not None:
            request.add_header("Idempotency-Key", key)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503) or attempt == TRIES - 1:
                sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")
            time.sleep(float(error.headers.get("Retry-After") or 1))


def every(path):
    cursor = None
    while True:
        page = ask("GET", path + (f"&cursor={cursor}" if cursor else ""))
        yield from page["data"]
        cursor = page["next_cursor"]
        if not cursor:
            return


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def make(name, target):
    first = now() + datetime.timedelta(seconds=AHEAD_SECONDS)
    for n in range(FIRES):
        at = first + datetime.timedelta(seconds=n * EVERY_SECONDS)
        run_at = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        job = {"name": f"{name} {n}", "kind": "scheduled", "schedule": {"run_at": run_at}, "request": {"url": target}}
        ask("POST", "/v1/jobs", job, key=f"{name} {n} {first.isoformat()}")
    if now() > first:
        sys.exit(f"the API took longer than {AHEAD_SECONDS} s to take {FIRES} jobs")
    time.sleep((first - now()).total_seconds())


def count(name, once):
    over = time.monotonic() + FIRES * EVERY_SECONDS + 60
    while True:
        ours = [run for run in every("/v1/executions?limit=100") if run["job_name"].startswith(name + " ")]
        states = collections.Counter(run["status"] for run in ours)
        if states["succeeded"] == FIRES or time.monotonic() > over:
            break
        time.sleep(1)
    attempts = collections.Counter(run["attempt_count"] for run in ours)
    lateness = sorted(run["lateness_ms"] for run in ours if run["lateness_ms"] is not None)
    late = f"late by {lateness[len(lateness) // 2]:.1f} ms (median), {lateness[-1]:.1f} ms (most)" if lateness else "none was sent"
    print(f"  {FIRES} fires: {dict(states)}, attempts {dict(attempts)}; {late}")
    if len(ours) != FIRES or states["succeeded"] != FIRES or (once and attempts[1] != FIRES):
        sys.exit("NOT SO: each must have succeeded" + (", by its first attempt" if once else ""))


match sys.argv[1:]:
    case ["make", name, target]:
        make(name, target)
    case ["count", name, *options]:
        count(name, "--once" in options)
    case _:
        sys.exit(__doc__)
