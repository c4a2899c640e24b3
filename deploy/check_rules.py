"""Checks the alerts that the chart renders, in a Prometheus that also scrapes another installation.

Each case of deploy/alerts.test.yaml is repeated twice against the rendered rules, beside a release of the same name in another namespace or
of another name in the same namespace. First with its series labelled as this release, while
another installation is healthy: the same alerts must fire. Then with its series labelled as another installation, while this one is
healthy: none may fire. Usage: check_rules.py PROMTOOL HELM CHART
"""
import copy, pathlib, re, subprocess, sys

import yaml

PROMTOOL, HELM, CHART = sys.argv[1:]
TOOLS = pathlib.Path("target/chart-tools")
OURS = {"namespace": "work", "app_kubernetes_io_instance": "trigrun"}
OTHERS = [{"namespace": "staging", "app_kubernetes_io_instance": "trigrun"}, {"namespace": "work", "app_kubernetes_io_instance": "other"}]


def fail(message):
    print(f"FAILED: {message}")
    sys.exit(1)


def rendered(*arguments):
    ran = subprocess.run(
        [HELM, "template", "trigrun", CHART, "--namespace", "work", "--values", "deploy/chart-values/secrets.yaml",
         "--show-only", "templates/monitoring.yaml", "--set", "monitoring.prometheusRule.enabled=true", *arguments],
        capture_output=True, text=True)
    if ran.returncode:
        fail(f"the rules cannot be rendered with {arguments}: {ran.stderr}")
    (rule,) = [document for document in yaml.safe_load_all(ran.stdout) if document and document["kind"] == "PrometheusRule"]
    return rule["spec"]


def alerts(spec):
    return {rule["alert"]: rule for group in spec["groups"] for rule in group["rules"]}


def labelled(series, labels):
    name = re.match(r"(\w+)(?:\{(.*)\})?$", series["series"])
    own = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {**series, "series": f"{name[1]}{{{own}{',' if name[2] else ''}{name[2] or ''}}}"}


def of_this_release(case, other):
    case = copy.deepcopy(case)
    case["input_series"] = [labelled(series, OURS) for series in case["input_series"]]
    case["input_series"] += [labelled(series, other) for series in healthy]
    for test in case.get("alert_rule_test", []):
        for alert in test.get("exp_alerts") or []:
            alert["exp_labels"] = {**alert["exp_labels"], **OURS}
    return case


def of_another(case, other):
    times = sorted({test["eval_time"] for key in ("alert_rule_test", "promql_expr_test") for test in case.get(key, [])})
    series = [labelled(series, other) for series in case["input_series"]]
    return {"name": case["name"], "interval": case["interval"], "input_series": series + [labelled(series, OURS) for series in healthy],
            "promql_expr_test": [{"expr": "count(ALERTS)", "eval_time": time, "exp_samples": []} for time in times]}


def passes(name, cases, rules):
    (TOOLS / "release.rules.yaml").write_text(yaml.safe_dump(rules))
    tests = TOOLS / f"{name}.test.yaml"
    tests.write_text(yaml.safe_dump({"rule_files": ["release.rules.yaml"], "evaluation_interval": "1m", "tests": cases}))
    ran = subprocess.run([PROMTOOL, "test", "rules", str(tests)], capture_output=True, text=True)
    if ran.returncode:
        fail(f"{name}: {ran.stdout[-4000:]}{ran.stderr[-4000:]}")
    print(f"the alerts of a release are right in {len(cases)} cases: {name.replace('-', ' ')}")


source = yaml.safe_load(pathlib.Path(CHART, "rules/alerts.yaml").read_text())
cases = yaml.safe_load(pathlib.Path("deploy/alerts.test.yaml").read_text())["tests"]
(healthy,) = [case["input_series"] for case in cases if case["name"] == "a healthy installation"]
# Longer than any case.
healthy = [{**series, "values": series["values"].replace("x120", "x240")} for series in healthy]
pairs = [(case, OTHERS[n % 2]) for n, case in enumerate(cases)]
rules = rendered()
plain = alerts(source)
if list(alerts(rules)) != list(plain):
    fail("the chart does not render each alert of rules/alerts.yaml once")
MATCHER = 'app_kubernetes_io_instance="trigrun",namespace="work"'
for name, rule in alerts(rules).items():
    if re.sub(rf"\{{{MATCHER},?\}}|{MATCHER},", "", rule["expr"]) != plain[name]["expr"].strip():
        fail(f"{name}: {rule['expr']} is not the expression of rules/alerts.yaml with matchers")
    selectors = re.findall(r"\btrigrun_\w+(\S*)", rule["expr"])
    if not all(selector.startswith(f"{{{MATCHER}") for selector in selectors):
        fail(f"{name}: a selector has no matcher: {rule['expr']}")
    if rule["labels"] != {**plain[name]["labels"], **OURS} or rule["annotations"] != plain[name]["annotations"]:
        fail(f"{name}: unexpected labels or annotations: {rule}")
passes("beside-others-that-are-healthy", [of_this_release(*pair) for pair in pairs], rules)
passes("beside-others-that-are-not", [of_another(*pair) for pair in pairs], rules)

chosen = alerts(rendered("--set", "monitoring.prometheusRule.matchers.cluster=eu", "--set", "monitoring.prometheusRule.ruleLabels.severity=info",
                         "--set", "monitoring.prometheusRule.disabled={TrigRunFiresSkipped}",
                         "--set", "monitoring.prometheusRule.runbookUrl=https://wiki.example.com/%s/"))
if set(plain) - set(chosen) != {"TrigRunFiresSkipped"}:
    fail("disabled does not disable this alert only")
for name, rule in chosen.items():
    if rule["labels"] != {"severity": "info", "cluster": "eu"} or rule["annotations"]["runbook_url"] != f"https://wiki.example.com/{name}/":
        fail(f"{name}: {rule}")
    if 'cluster="eu"' not in rule["expr"] or "namespace" in rule["expr"]:
        fail(f"{name}: {rule['expr']}")
print("matchers, labels, runbooks and disabled alerts are as the values say")
