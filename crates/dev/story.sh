#!/usr/bin/env bash
# Uses the product by curl, from sign-up to deletion; `make story` runs it against a new private system. Every step says what it does
# and what it expects. The first difference ends the script. Python runs the user's servers, and reads JSON.
set -euo pipefail

DOCS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../docs" && pwd)
DIR=$(mktemp -d)
cd "$DIR"
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$DIR"' EXIT
STEP=0

step() { STEP=$((STEP + 1)); printf '\n%2d. %s\n' "$STEP" "$1"; }
fail() { printf '    NOT AS DOCUMENTED: %s\n' "$1"; [ ! -s response ] || { printf '    the response was: '; cat response; echo; }; exit 1; }

# call STATUS METHOD PATH [BODY [HEADER…]]: sends a request with $TOKEN, keeps the response, and expects the status.
call() {
    local status=$1 method=$2 path=$3 body=${4:-}
    shift $(($# < 4 ? $# : 4))
    local arguments=(-sS -o response -D head -w '%{http_code}' -X "$method" "$TRIGRUN_URL$path")
    [ -z "${TOKEN:-}" ] || arguments+=(-H "Authorization: Bearer $TOKEN")
    [ -z "$body" ] || arguments+=(-H 'Content-Type: application/json' -d "$body")
    for header in "$@"; do arguments+=(-H "$header"); done
    local got
    got=$(curl --max-time 120 "${arguments[@]}") || fail "$method $path cannot be sent"
    [ "$got" = "$status" ] || fail "$method $path returned $got instead of $status"
    printf '    %-6s %-52s %s\n' "$method" "${path:0:52}" "$got"
}

# The value of a Python expression over the response (`a`).
value() { python3 -c 'import json, sys; a = json.load(open("response")); print(eval(sys.argv[1]))' "$1"; }
# is EXPRESSION VALUE: expects the value of the expression.
is() { local got; got=$(value "$1"); [ "$got" = "$2" ] || fail "$1 is $got instead of $2"; printf '    %s = %s\n' "$1" "$2"; }
# Repeats a GET until an expression holds. The limit only ends a script that hangs.
until_true() {
    local path=$1 expression=$2 begin=$SECONDS
    while ((SECONDS - begin < 300)); do
        curl -sS -o response --max-time 120 "$TRIGRUN_URL$path" -H "Authorization: Bearer $TOKEN"
        [ "$(value "$expression")" != True ] || return 0
        sleep 0.2
    done
    fail "$expression does not hold after 300 s"
}
ended() { until_true "/v1/executions/$1" "a['finished_at'] is not None"; }

python3 - <<'PYTHON' &
import http.server, json, pathlib

class Servers(http.server.BaseHTTPRequestHandler):
    """/echo returns the authorization header, /broken fails, /hook keeps the message."""
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/hook":
            pathlib.Path("hook.body").write_bytes(body)
            pathlib.Path("hook.json").write_text(json.dumps({name.lower(): value for name, value in self.headers.items()}))
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        if self.path == "/echo":
            self.wfile.write(self.headers["authorization"].encode())
    do_GET = do_POST
    def log_message(self, *_): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Servers)
pathlib.Path("port.new").write_text(str(server.server_port))
pathlib.Path("port.new").rename("port")
server.serve_forever()
PYTHON
until [ -e port ]; do sleep 0.1; done
SERVERS=http://127.0.0.1:$(cat port)

step 'Ada signs up and gets a workspace'
call 201 POST /v1/auth/signup '{"email": "ada@example.com", "password": "correct horse battery", "workspace_name": "billing"}'
TOKEN=$(value "a['token']")
call 409 POST /v1/auth/signup '{"email": "ada@example.com", "password": "correct horse battery"}'
call 401 POST /v1/auth/login '{"email": "ada@example.com", "password": "not my password"}'
call 200 GET /v1/me
is "a['user']['email']" ada@example.com
is "a['role']" owner

step 'She creates an API token for her programs, which is shown once'
call 201 POST /v1/tokens '{"name": "deploy", "scopes": ["jobs:read", "jobs:write", "jobs:run", "executions:read", "secrets:write", "notifications:write"]}'
TOKEN=$(value "a['token']")
call 403 GET /v1/tokens
is "a['code']" scope_missing

step 'A secret is stored and never returned'
call 201 POST /v1/secrets '{"name": "report-key", "value": "s3cr3t-value"}'
call 200 GET /v1/secrets/report-key
is "'value' in a" False

step 'A cron job uses it'
JOB_BODY='{"name": "nightly report", "kind": "cron", "schedule": {"cron": "30 4 * * MON-FRI", "timezone": "Europe/Berlin"},
  "request": {"url": "'$SERVERS'/echo", "method": "POST", "headers": {"Authorization": "Bearer secret://report-key"}}}'
call 201 POST /v1/jobs "$JOB_BODY" 'Idempotency-Key: nightly'
JOB=$(value "a['id']")
call 200 POST /v1/jobs "$JOB_BODY" 'Idempotency-Key: nightly'
is "a['id']" "$JOB"
call 200 GET /v1/secrets/report-key
is "a['used_by'][0]['job_id']" "$JOB"
call 422 POST /v1/jobs '{"name": "wrong", "kind": "cron", "schedule": {"cron": "60 4 * * *"}, "request": {"url": "ftp://example.com/"}}'
is "sorted(e['pointer'] for e in a['errors'])" "['/request/url', '/schedule/cron']"

step 'Run now: the target receives the secret, and its echo is redacted'
call 202 POST "/v1/jobs/$JOB/run-now"
RUN=$(value "a['id']")
ended "$RUN"
is "a['status']" succeeded
is "a['source']" manual
is "a['attempts'][0]['body_preview']" 'Bearer ••••'

step 'A rule notifies when a job fails'
call 201 POST /v1/notification-channels '{"name": "on call", "type": "webhook", "config": {"url": "'"$SERVERS"'/hook"}}'
CHANNEL=$(value "a['id']")
call 201 POST /v1/jobs '{"name": "broken", "kind": "recurring", "schedule": {"every_n_minutes": 60}, "request": {"url": "'"$SERVERS"'/broken"}}'
BROKEN=$(value "a['id']")
call 201 POST "/v1/jobs/$BROKEN/notification-rules" '{"channel_id": "'"$CHANNEL"'", "event": "on_failure"}'

step 'The job fails after its retries'
call 202 POST "/v1/jobs/$BROKEN/run-now"
RUN=$(value "a['id']")
ended "$RUN"
is "a['status']" failed
is "[t['status_code'] for t in a['attempts']]" '[500, 500, 500]'

step 'The webhook arrives with a valid signature'
until_true "/v1/notifications?execution_id=$RUN" "[n['status'] for n in a['data']] == ['succeeded']"
is "len(a['data'])" 1
awk '/^```python verify.py$/ { on = 1; next } /^```/ { on = 0 } on' "$DOCS/signing.md" > verify.py
DEPLOY=$TOKEN
TOKEN=''
call 200 POST /v1/auth/login '{"email": "ada@example.com", "password": "correct horse battery"}'
TOKEN=$(value "a['token']")
call 200 GET /v1/workspace/signing-secret
SIGNING_SECRET=$(value "a['secret']")
python3 -c 'import json, sys
from verify import verify
headers, body = json.load(open("hook.json")), open("hook.body", "rb").read()
event = json.loads(body)
assert verify(sys.argv[1], headers, body), "the signature is rejected"
assert not verify(sys.argv[1], headers, body + b" "), "a signature of another body is accepted"
assert (event["type"], event["data"]["execution"]["id"]) == ("execution.failed", sys.argv[2]), event' "$SIGNING_SECRET" "$RUN" \
    || fail 'the webhook is not as documented'
printf '    verified as docs/signing.md shows\n'
TOKEN=$DEPLOY

step 'A crontab of ten lines is imported; two lines are refused'
CRONTAB='0 9 * * MON-FRI https://example.com/1\n*/15 * * * * https://example.com/2\n@daily https://example.com/3\n60 * * * * https://example.com/bad\n0 0 1 * * https://example.com/5\n@reboot https://example.com/bad\n30 2 * * * https://example.com/7\n0 */2 * * * https://example.com/8\n@hourly https://example.com/9\n5 4 * * SUN https://example.com/10'
call 201 POST /v1/jobs/import '{"crontab": "'"$CRONTAB"'", "timezone": "Europe/Berlin", "state": "paused"}'
is "len(a['created'])" 8
is "[(e['line'], e['code']) for e in a['errors']]" "[(4, 'cron_out_of_range'), (6, 'cron_reboot')]"
call 200 GET '/v1/jobs?state=paused'
is "len(a['data'])" 8

step 'Pause, resume, patch, delete'
call 200 POST "/v1/jobs/$JOB/pause"
is "(a['state'], a['next_run_at'])" "('paused', None)"
call 200 POST "/v1/jobs/$JOB/resume"
is "(a['state'], a['next_run_at'] is None)" "('active', False)"
call 412 PATCH "/v1/jobs/$JOB" '{"name": "too late"}' 'If-Match: "1"'
call 200 PATCH "/v1/jobs/$JOB" '{"name": "weekly report", "schedule": {"cron": "30 4 * * MON"}, "tags": ["billing"]}'
is "(a['name'], a['schedule']['cron'], a['tags'])" "('weekly report', '30 4 * * MON', ['billing'])"
call 200 GET "/v1/jobs/$JOB/ledger"
is "(a['gaps'], a['duplicates'])" '(0, 0)'
call 204 DELETE "/v1/jobs/$JOB"
call 404 GET "/v1/jobs/$JOB"
call 204 DELETE /v1/secrets/report-key

printf '\nEverything is as documented.\n'
