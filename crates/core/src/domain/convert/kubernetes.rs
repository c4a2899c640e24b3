//! CronJobs of Kubernetes (`batch/v1`), as JSON: `kubectl get cronjobs -o json`, one or several.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    builder::{Builder, host_of},
    command::{self, Context},
    fields::{Fields, Node},
    finding::cut,
    output::Output,
};
use crate::domain::invalid::Invalid;

/// Kubernetes's own default.
const DEFAULT_BACKOFF_LIMIT: i64 = 6;
const OF_METADATA: [&str; 9] = [
    "annotations",
    "creationTimestamp",
    "generation",
    "managedFields",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
const OF_HISTORY: [&str; 3] =
    ["successfulJobsHistoryLimit", "failedJobsHistoryLimit", "ttlSecondsAfterFinished"];
const OF_PODS: [&str; 19] = [
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
    "completionMode",
];
const OF_CONTAINERS: [&str; 10] = [
    "imagePullPolicy",
    "livenessProbe",
    "name",
    "readinessProbe",
    "resources",
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeMounts",
    "tty",
];
/// How much longer variables may make the words of a command.
const MAX_EXPANSION_BYTES: usize = 512 * 1024;
const NO_POD: &str = "TrigRun runs no pod.";

pub(super) fn read(root: Node<'_>, output: &mut Output<'_>) {
    for node in root.items_in("items", &["apiVersion", "kind", "metadata"], output) {
        let (place, now) = (node.place(), output.options.now);
        let Some(mut fields) = node.fields() else { continue };
        let kind = fields.text("kind").unwrap_or_default();
        if kind != "CronJob" {
            let detail = format!("This is not a CronJob, but a {}.", cut(&kind, 60));
            output.refuse(place, Invalid::new("kind_other", detail));
            continue;
        }
        let name = fields.object("metadata").and_then(|metadata| metadata.peek("name").map(str::to_owned));
        let name = name.unwrap_or_default();
        output.job(place, &name, |job| {
            job.name(&name);
            read_job(&mut fields, now, job)
        });
    }
}

fn missing(name: &str) -> Invalid {
    Invalid::new("field_missing", format!("The field {name} is missing."))
}

fn read_job(fields: &mut Fields<'_>, now: DateTime<Utc>, job: &mut Builder) -> Result<(), Invalid> {
    fields.no_meaning(job, &["apiVersion", "status"], "It is the state of the cluster.");
    if let Some(mut metadata) = fields.object("metadata") {
        metadata.text("name");
        metadata.no_meaning(job, &OF_METADATA, "It is the state of the cluster.");
        let part = metadata.part("labels");
        for (name, value) in metadata.pairs("labels") {
            let tag = if value.is_empty() { name } else { format!("{name}:{value}") };
            job.tag(part.clone(), &tag);
        }
    }
    let mut spec = fields.object("spec").ok_or_else(|| missing("spec"))?;
    schedule(&mut spec, now, job)?;
    let mut template = spec.object("jobTemplate").ok_or_else(|| missing("jobTemplate"))?;
    template.no_meaning(job, &["metadata"], NO_POD);
    let mut spec = template.object("spec").ok_or_else(|| missing("jobTemplate.spec"))?;
    let attempts = attempts(&mut spec, job);
    let part = spec.part("activeDeadlineSeconds");
    #[allow(clippy::cast_precision_loss, reason = "seconds")]
    if let Some(seconds) = spec.integer("activeDeadlineSeconds") {
        job.timeout(part, seconds as f64);
    }
    spec.no_meaning(job, &OF_HISTORY, "TrigRun keeps executions as long as its operator says.");
    spec.no_meaning(job, &OF_PODS, NO_POD);
    for name in ["parallelism", "completions"] {
        let part = spec.part(name);
        if spec.integer(name).is_some_and(|count| count != 1) {
            let detail = format!("{name}: the job makes one request at each time.");
            job.lost(part, Invalid::new("parallel", detail));
        }
    }
    let mut template = spec.object("template").ok_or_else(|| missing("template"))?;
    template.no_meaning(job, &["metadata"], NO_POD);
    pod(&mut template.object("spec").ok_or_else(|| missing("template.spec"))?, job)?;
    let of_command = u64::from(job.draft.retry_policy.max_attempts);
    job.attempts("backoffLimit", attempts.saturating_mul(of_command));
    let is_inside = |host: &str| {
        let name = host.split(':').next().unwrap_or_default();
        name.ends_with(".svc") || name.ends_with(".cluster.local")
    };
    if host_of(&job.draft.request.url).is_some_and(is_inside) {
        let detail =
            "The URL is that of a service inside the cluster, which TrigRun does not call by default.";
        let hint = "Ask the operator to open its address, or use a public URL.";
        job.changed("url", Invalid::new("private_address", detail).hint(hint));
    }
    Ok(())
}

fn schedule(spec: &mut Fields<'_>, now: DateTime<Utc>, job: &mut Builder) -> Result<(), Invalid> {
    let zone = spec.text("timeZone");
    job.cron(&spec.required("schedule")?, zone.as_deref().unwrap_or("UTC"), now)?;
    if zone.is_none() {
        let detail = "The CronJob has no timeZone; the job runs by UTC.";
        job.changed(spec.part("timeZone"), Invalid::new("timezone_assumed", detail));
    }
    if spec.flag("suspend") == Some(true) {
        job.draft.state = Some("paused");
    }
    let part = spec.part("concurrencyPolicy");
    match spec.text("concurrencyPolicy").as_deref() {
        Some("Forbid") => job.draft.never_at_once(Some("skip")),
        Some("Replace") => {
            job.draft.never_at_once(Some("skip"));
            let detail = "Replace ends the run before; the job skips a fire while a run is in progress.";
            job.changed(part, Invalid::new("concurrency_replace", detail));
        }
        _ => {}
    }
    let part = spec.part("startingDeadlineSeconds");
    if spec.integer("startingDeadlineSeconds").is_some() {
        job.draft.misfire_policy = Some("skip");
        let detail = "startingDeadlineSeconds: the job skips a fire that is missed by more than a minute.";
        job.changed(part, Invalid::new("starting_deadline", detail));
    }
    spec.no_meaning(job, &OF_HISTORY, "TrigRun keeps executions as long as its operator says.");
    Ok(())
}

fn attempts(spec: &mut Fields<'_>, job: &mut Builder) -> u64 {
    let limit = spec.integer("backoffLimit").unwrap_or_else(|| {
        let detail = format!("The CronJob has no backoffLimit; Kubernetes takes {DEFAULT_BACKOFF_LIMIT}.");
        job.changed(spec.part("backoffLimit"), Invalid::new("attempts_assumed", detail));
        DEFAULT_BACKOFF_LIMIT
    });
    u64::try_from(limit).unwrap_or(0).saturating_add(1)
}

fn pod(pod: &mut Fields<'_>, job: &mut Builder) -> Result<(), Invalid> {
    pod.no_meaning(job, &OF_PODS, NO_POD);
    let init = pod.list("initContainers").len();
    let mut containers = pod.list("containers");
    if init > 0 || containers.len() != 1 {
        let detail = "The pod has several containers. A job makes one request.";
        return Err(Invalid::new("several_containers", detail));
    }
    let container = containers.pop().and_then(Node::fields);
    let mut container = container.ok_or_else(|| missing("containers"))?;
    container.no_meaning(job, &OF_CONTAINERS, NO_POD);
    let variables = variables(&mut container, job);
    let image = container.text("image").unwrap_or_default();
    let command = container.texts("command").unwrap_or_default();
    let arguments = container.texts("args").unwrap_or_default();
    let mut words = if command.is_empty() { entry_point(&image).into_iter().collect() } else { command };
    words.extend(arguments);
    let mut budget = MAX_EXPANSION_BYTES;
    for word in &mut words {
        *word = expanded(word, &variables, &mut budget);
    }
    let value_of = |name: &str| variables.get(name).cloned();
    command::read_words(words, Context { variables: &value_of, stdin: None }, job)
}

/// The program of an image that is curl or wget.
fn entry_point(image: &str) -> Option<String> {
    let name = image.rsplit('/').next().unwrap_or_default().split([':', '@']).next().unwrap_or_default();
    ["curl", "wget"].into_iter().find(|client| name.contains(client)).map(str::to_owned)
}

/// The variables of a container. The value of one from a secret is the reference to a secret here.
fn variables(container: &mut Fields<'_>, job: &mut Builder) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for mut entry in container.list("env").into_iter().filter_map(Node::fields) {
        let Some(name) = entry.text("name") else { continue };
        if let Some(value) = entry.text("value") {
            variables.insert(name, value);
            continue;
        }
        let part = entry.part("valueFrom");
        let Some(mut from) = entry.object("valueFrom") else { continue };
        let Some(mut secret) = from.object("secretKeyRef") else { continue };
        let (Some(of), Some(key)) = (secret.text("name"), secret.text("key")) else { continue };
        secret.flag("optional");
        let secret = secret_name(&format!("{of}-{key}"));
        let detail = format!("{name} comes from a secret of the cluster; the job takes it from {secret}.");
        let value = format!("kubectl get secret {} -o jsonpath='{{.data.{}}}'", cut(&of, 80), cut(&key, 80));
        let hint = format!("{value} | base64 -d | trigrun secrets set {secret}");
        job.secret(part, Invalid::new("credential", detail).hint(hint));
        variables.insert(name, format!("secret://{secret}"));
    }
    variables
}

fn secret_name(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let valid = |char: char| if char.is_ascii_alphanumeric() || char == '_' { char } else { '-' };
    lower.trim_start_matches(|char: char| !char.is_ascii_alphanumeric()).chars().map(valid).take(64).collect()
}

/// `$(NAME)` in a command; what is not known stays as it is, and `$$(` is `$(`.
fn expanded(word: &str, variables: &BTreeMap<String, String>, budget: &mut usize) -> String {
    let (mut expanded, mut rest) = (String::with_capacity(word.len()), word);
    while let Some((before, after)) = rest.split_once("$(") {
        let name = after.split(')').next().unwrap_or_default();
        let value = variables.get(name).filter(|value| !before.ends_with('$') && value.len() <= *budget);
        match value {
            Some(value) => {
                *budget -= value.len();
                expanded.push_str(before);
                expanded.push_str(value);
                rest = after.get(name.len() + 1..).unwrap_or_default();
            }
            None => {
                expanded.push_str(before.strip_suffix('$').unwrap_or(before));
                expanded.push_str("$(");
                rest = after;
            }
        }
    }
    expanded + rest
}
