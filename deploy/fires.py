"""Fires for check-cluster.sh: creates 240 jobs, one every quarter of a second, and checks their executions.

fires.py create NAME TARGET   creates the jobs; the first is due in half a minute; returns just before
fires.py check NAME [--once]  waits until all executions should have ended; exits with 1 unless each fire has one successful
                              execution, with --once by its first attempt

TRIGRUN_URL and TRIGRUN_TOKEN contain the address and the token.
"""

import collections, datetime, json, os, sys, time, urllib.error, urllib.request

FIRES, INTERVAL_SECONDS, LEAD_SECONDS, MAX_ATTEMPTS = 240, 0.25, 30, 60


def call(method, path, body=None, key=None):
    for attempt in range(MAX_ATTEMPTS):
        request = urllib.request.Request(os.environ["TRIGRUN_URL"] + path, method=method)
        request.add_header("Authorization", "Bearer " + os.environ["TRIGRUN_TOKEN"])
        if key is not None:
            request.add_header("Idempotency-Key", key)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503) or attempt == MAX_ATTEMPTS - 1:
                sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")
            time.sleep(float(error.headers.get("Retry-After") or 1))


def all_pages(path):
    cursor = None
    while True:
        page = call("GET", path + (f"&cursor={cursor}" if cursor else ""))
        yield from page["data"]
        cursor = page["next_cursor"]
        if not cursor:
            return


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def create(name, target):
    first = now() + datetime.timedelta(seconds=LEAD_SECONDS)
    for n in range(FIRES):
        at = first + datetime.timedelta(seconds=n * INTERVAL_SECONDS)
        run_at = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        job = {"name": f"{name} {n}", "kind": "scheduled", "schedule": {"run_at": run_at}, "request": {"url": target}}
        call("POST", "/v1/jobs", job, key=f"{name} {n} {first.isoformat()}")
    if now() > first:
        sys.exit(f"the API took longer than {LEAD_SECONDS} s to create {FIRES} jobs")
    time.sleep((first - now()).total_seconds())


def check(name, once):
    deadline = time.monotonic() + FIRES * INTERVAL_SECONDS + 60
    while True:
        ours = [run for run in all_pages("/v1/executions?limit=100") if run["job_name"].startswith(name + " ")]
        states = collections.Counter(run["status"] for run in ours)
        if states["succeeded"] == FIRES or time.monotonic() > deadline:
            break
        time.sleep(1)
    attempts = collections.Counter(run["attempt_count"] for run in ours)
    lateness = sorted(run["lateness_ms"] for run in ours if run["lateness_ms"] is not None)
    late = f"lateness {lateness[len(lateness) // 2]:.1f} ms (median), {lateness[-1]:.1f} ms (maximum)" if lateness else "no request was sent"
    print(f"  {FIRES} fires: {dict(states)}, attempts {dict(attempts)}; {late}")
    if len(ours) != FIRES or states["succeeded"] != FIRES or (once and attempts[1] != FIRES):
        sys.exit("FAILED: every fire must succeed" + (" by its first attempt" if once else ""))


match sys.argv[1:]:
    case ["create", name, target]:
        create(name, target)
    case ["check", name, *options]:
        check(name, "--once" in options)
    case _:
        sys.exit(__doc__)
