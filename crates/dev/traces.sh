#!/usr/bin/env bash
# Two runs against a new private system that exports its spans to an OpenTelemetry collector. The spans of each run must be one tree, and
# contain no secret. `make traces` calls it with TRIGRUN_URL and TRIGRUN_TOKEN set; COLLECTED is the log of the collector.
set -euo pipefail
AUTH="Authorization: Bearer $TRIGRUN_TOKEN" JSON='Content-Type: application/json'
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
curl -sf "$TRIGRUN_URL/v1/secrets" -H "$AUTH" -H "$JSON" -d '{"name": "canary", "value": "s3cr3t-canary"}' >/dev/null
job() {
    curl -sf "$TRIGRUN_URL/v1/jobs" -H "$AUTH" -H "$JSON" -d "{\"name\": \"traced\", $1, \"request\":
      {\"url\": \"$TRIGRUN_URL/livez?token=s3cr3t-query\", \"headers\": {\"X-Canary\": \"secret://canary\"}}}" | field id
}
soon=$(python3 -c 'import datetime as d; print((d.datetime.now(d.timezone.utc) + d.timedelta(seconds=3)).isoformat())')
jobs=("$(job '"kind": "one_time"')" "$(job "\"kind\": \"scheduled\", \"schedule\": {\"run_at\": \"$soon\"}")")
for job in "${jobs[@]}"; do
    # The limit only ends a script that hangs.
    begin=$SECONDS
    until curl -sf "$TRIGRUN_URL/v1/jobs/$job/executions" -H "$AUTH" | grep -q '"finished_at":"'; do
        ((SECONDS - begin < 300)) || { echo "$job has not run within 300 s"; exit 1; }
        sleep 0.1
    done
done
python3 - "$COLLECTED" <<'PYTHON'
import re, sys, time

def spans(text):
    for part in re.split(r"^Span #\d+\n", text, flags=re.M)[1:]:
        part = re.split(r"^ResourceSpans", part, flags=re.M)[0]
        value = lambda name: re.search(rf"^ *{name} *: ?(.*)$", part, re.M)[1].strip()
        attributes = dict(re.findall(r"^     -> ([a-z_.]+): \w+\((.*)\)$", part, re.M))
        times = [int(re.search(rf"^{end} time: (\d+)$", part, re.M)[1]) for end in ("Start", "End")]
        yield {"trace": value("Trace ID"), "id": value("ID"), "parent": value("Parent ID"), "name": value("Name"),
               "kind": value("Kind").removeprefix("SPAN_KIND_").lower(), "times": times, "attributes": attributes}

def tree(all, parent, depth=0):
    for span in sorted((span for span in all if span["parent"] == parent), key=lambda span: span["times"]):
        yield depth, span
        yield from tree(all, span["id"], depth + 1)

EXPECTED = [("publish", "producer", 1), ("lease", "consumer", 1), ("attempt", "client", 1), ("connect", "internal", 2), ("first byte", "internal", 2),
          ("GET /livez", "server", 2), ("body", "internal", 2), ("record", "internal", 1)]
roots = {"POST /v1/jobs": "server", "plan": "internal"}
deadline = time.monotonic() + 300
while True:
    text = open(sys.argv[1]).read()
    by_trace = {}
    for span in spans(text):
        by_trace.setdefault(span["trace"], []).append(span)
    runs = {s["name"]: list(tree(all, "")) for all in by_trace.values() if any(x["name"] == "record" for x in all)
            for s in all if s["parent"] == ""}
    if set(runs) == set(roots) or time.monotonic() > deadline:
        break
    time.sleep(0.1)
assert set(runs) == set(roots), f"runs begin with {sorted(runs)}"
for root, run in runs.items():
    print()
    for depth, span in run:
        print(f"{'  ' * depth}{span['name']:<{24 - 2 * depth}} {span['kind']:<9} {(span['times'][1] - span['times'][0]) / 1e6:8.2f} ms")
    assert (run[0][1]["name"], run[0][1]["kind"]) == (root, roots[root])
    found = [(span["name"], span["kind"], depth) for depth, span in run[1:]]
    # The first attempt of a process connects; a later one may reuse the connection.
    expected = [span for span in EXPECTED if span[0] != "connect" or span in found]
    assert sorted(found) == sorted(expected), f"{found}\nis not\n{expected}"
    attempt = next(span for _, span in run if span["name"] == "attempt")["attributes"]
    assert (attempt["http.request.method"], attempt["http.response.status_code"]) == ("GET", "200"), attempt
    executions = {span["attributes"]["trigrun.execution.id"] for _, span in run if "trigrun.execution.id" in span["attributes"]}
    assert len(executions) == 1, executions
assert any(span["name"] == "connect" for run in runs.values() for _, span in run)
for secret in ("s3cr3t", "trg_"):
    assert secret not in text, f"{secret} was exported"
print("\neach run is one tree of spans, and no secret was exported")
PYTHON
