//! What every command works with: the client, the output, and who asks.

use std::{rc::Rc, time::Duration};
use trigrun_client::{Answer, Call, Client, Error, Event, Settings};

use crate::{
    exit::{DIM, Exit, Failure, OrFail},
    globals::Globals,
    identity::Identity,
    output::Output,
    rows::JobRow,
};

/// A wait of a retry is reported from here on.
const MIN_TOLD_PAUSE: Duration = Duration::from_secs(2);
const MAX_SUGGESTIONS: usize = 3;
/// The first page of jobs, which is enough for a suggestion.
const SUGGESTION_JOBS: usize = 250;

pub struct Context {
    pub client: Client,
    pub output: Output,
    pub identity: Rc<Identity>,
    pub no_input: bool,
}

impl Context {
    pub fn new(globals: &Globals, identity: Rc<Identity>) -> Result<Self, Failure> {
        let client = client(globals, &identity, identity.token.clone(), identity.workspace.clone())?;
        let output = Output::new(globals);
        Ok(Self { client, output, identity, no_input: globals.no_input })
    }

    /// Makes a call. `what` says what did not happen if it fails.
    pub async fn call(&self, what: &str, call: Call) -> Result<Answer, Failure> {
        match self.client.call(call).await {
            Err(error) if error.status() == Some(405) => Err(self.too_old(what, error).await),
            result => result.or_fail(what),
        }
    }

    /// Makes a call about a job, and suggests keys if there is no such job.
    pub async fn job_call(&self, what: &str, job: &str, call: Call) -> Result<Answer, Failure> {
        match self.call(what, call).await {
            Err(failure) if failure.exit == Exit::NotFound => Err(self.suggest(failure, job).await),
            result => result,
        }
    }

    async fn suggest(&self, mut failure: Failure, job: &str) -> Failure {
        failure.text = format!("there is no job {job} (404 not_found)");
        let Ok(jobs) = self.client.list("/v1/jobs", &[], SUGGESTION_JOBS).await else { return failure };
        let jobs = jobs.iter().filter_map(|job| serde_json::from_str::<JobRow>(job.get()).ok());
        let mut keys: Vec<(f64, String)> =
            jobs.filter_map(|row| row.key).map(|key| (strsim::jaro_winkler(job, &key), key)).collect();
        keys.retain(|(likeness, _)| *likeness > 0.7);
        keys.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let keys: Vec<String> = keys.into_iter().take(MAX_SUGGESTIONS).map(|(_, key)| key).collect();
        if keys.is_empty() { failure } else { failure.line(format!("Did you mean {}?", keys.join(", "))) }
    }

    async fn too_old(&self, what: &str, error: Error) -> Failure {
        let failure = Failure::of_call(what, error);
        let Ok(answer) = self.client.call(Call::get("/version")).await else { return failure };
        let version: Version = answer.json().unwrap_or_default();
        failure.line(format!(
            "This server is {}, and this command line {}: the server may be too old for it.",
            version.version,
            env!("CARGO_PKG_VERSION")
        ))
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Version {
    version: String,
}

/// A client for a token, which `login` has not stored yet.
pub fn client(
    globals: &Globals,
    identity: &Identity,
    token: Option<String>,
    workspace: Option<String>,
) -> Result<Client, Failure> {
    let (is_verbose, is_quiet) = (globals.verbose, globals.quiet);
    let settings = Settings {
        url: identity.url.clone(),
        token,
        workspace,
        timeout: Duration::from_secs(globals.request_timeout.max(1)),
        retry: !globals.no_retry,
        user_agent: format!("trigrun-cli/{}", env!("CARGO_PKG_VERSION")),
        observer: Box::new(move |event| observe(event, is_verbose, is_quiet)),
    };
    Client::new(settings).or_fail("cannot talk to the server")
}

fn observe(event: &Event<'_>, is_verbose: bool, is_quiet: bool) {
    match event {
        Event::Answered { method, path, status, request_id, duration } if is_verbose => anstream::eprintln!(
            "{DIM}{method} {path} {status} {} {} ms{DIM:#}",
            request_id.unwrap_or("-"),
            duration.as_millis()
        ),
        Event::Retrying { error, pause } if is_verbose || (!is_quiet && *pause >= MIN_TOLD_PAUSE) => {
            let reason = match error {
                Error::Problem(problem) => problem.code.as_str(),
                _ => "no response",
            };
            anstream::eprintln!("{DIM}{reason}, trying again in {:.0} s{DIM:#}", pause.as_secs_f64());
        }
        Event::Answered { .. } | Event::Retrying { .. } => {}
    }
}
