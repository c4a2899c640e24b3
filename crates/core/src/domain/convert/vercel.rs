//! `vercel.json`: its cron jobs, and its schedules (the form of 2026).

use super::{
    builder::Builder,
    fields::{Fields, Node},
    finding::Part,
    output::Output,
};
use crate::domain::invalid::{FieldError, Invalid};

/// What else the file configures.
const OTHERS: [&str; 28] = [
    "$schema",
    "version",
    "name",
    "alias",
    "scope",
    "build",
    "builds",
    "buildCommand",
    "bunVersion",
    "cleanUrls",
    "devCommand",
    "env",
    "fluid",
    "framework",
    "functions",
    "functionFailoverRegions",
    "git",
    "github",
    "headers",
    "ignoreCommand",
    "images",
    "installCommand",
    "outputDirectory",
    "public",
    "redirects",
    "regions",
    "rewrites",
    "trailingSlash",
];
const SECRET: &str = "cron-secret";

/// # Errors
/// `required`: the file has no host, and the options have no base URL.
pub(super) fn read(root: Node<'_>, output: &mut Output<'_>) -> Result<(), FieldError> {
    let Some(mut file) = root.fields() else { return Ok(()) };
    let Some(base) = output.options.base_url else {
        let invalid = Invalid::new("required", "is required: a vercel.json has only the paths of its URLs")
            .hint("Send the URL of the deployment, such as https://app.example.com.");
        return Err(FieldError::new("/options/base_url", invalid));
    };
    for name in OTHERS {
        if let Some(place) = file.part(name).place.filter(|_| file.take(name).is_some()) {
            output.no_meaning(place, name, "It is not about schedules.");
        }
    }
    for cron in file.list("crons") {
        let (place, now) = (cron.place(), output.options.now);
        let Some(mut fields) = cron.fields() else { continue };
        output.job(place, &text_of(&fields), |job| {
            job.cron(&fields.required("schedule")?, "UTC", now)?;
            path(base, &mut fields, job)?;
            secret(fields.part("path"), job)
        });
    }
    let Some(mut schedules) = file.object("schedules") else { return Ok(()) };
    for name in schedules.names() {
        let now = output.options.now;
        let Some(mut fields) = schedules.object(&name) else { continue };
        output.job(fields.place(), &name, |job| {
            job.name(&name);
            schedule(base, &mut fields, now, job)
        });
    }
    Ok(())
}

fn schedule(
    base: &str,
    fields: &mut Fields<'_>,
    now: chrono::DateTime<chrono::Utc>,
    job: &mut Builder,
) -> Result<(), Invalid> {
    if fields.has("function") || fields.has("topic") {
        let detail = "The schedule starts a function or a topic that has no public URL.";
        return Err(Invalid::new("target_private", detail).hint("Give the function a path, and call that."));
    }
    let timezone = fields.text("timezone").unwrap_or_else(|| "UTC".to_owned());
    job.cron(&fields.required("schedule")?, &timezone, now)?;
    path(base, fields, job)?;
    match fields.text("requestMethod") {
        Some(method) => job.draft.request.method = super::command::method(&method)?,
        None => {
            job.draft.request.method = "POST".to_owned();
            let detail = "The schedule has no requestMethod; the job sends POST.";
            job.changed(fields.part("requestMethod"), Invalid::new("method_assumed", detail));
        }
    }
    fields.lost(job, &["jitter"], &Invalid::new("jitter", "A job runs at its time, without a random delay."));
    Ok(())
}

fn path(base: &str, fields: &mut Fields<'_>, job: &mut Builder) -> Result<(), Invalid> {
    let path = fields.required("path")?;
    if !path.starts_with('/') {
        return Err(Invalid::new("url_invalid", "The path does not begin with a slash."));
    }
    job.url(&format!("{}{path}", base.trim_end_matches('/')))
}

fn text_of(fields: &Fields<'_>) -> String {
    fields.peek("path").unwrap_or_default().to_owned()
}

/// Vercel sends `CRON_SECRET` of the deployment, if there is one.
fn secret(part: Part, job: &mut Builder) -> Result<(), Invalid> {
    let detail =
        format!("Vercel sends CRON_SECRET as a bearer token; the job takes it from the secret {SECRET}.");
    let hint = format!("Create the secret {SECRET} with that value, or remove the header if you have none.");
    job.secret(part, Invalid::new("credential", detail).hint(hint));
    job.header("Authorization", &format!("Bearer secret://{SECRET}"))
}
