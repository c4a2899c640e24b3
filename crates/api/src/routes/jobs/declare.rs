//! Jobs that a client declares: it sends all that the job is to be, under a key. The job is created, replaced, or found to be like that.

use trigrun_core::domain::{
    invalid::{FieldErrors, Invalid, Violations},
    job::{
        Definition, Job, JobState,
        change::{self, ChangeError, JobChange},
    },
    schedule::Kind,
};

use super::{body::JobBody, define::Context};
use crate::{extract::json::read, state::State};

/// What a job is to be.
pub struct Declaration {
    pub definition: Definition,
    /// Whether the client says anything about the state.
    pub names_state: bool,
}

/// What is to become of the job with a key.
pub enum Decision {
    Create(Box<Definition>),
    Change(Box<JobChange>),
    Keep,
}

/// Under which names a job is declared.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub key: &'a str,
    /// The stack that is applied; `None` if the body names it, or keeps that of the job.
    pub stack: Option<&'a str>,
}

/// Reads the text of a job in the place of `job`, if that exists. What is absent has its default, but for the state and the stack, which stay
/// as they are, and the name, which is the key.
pub fn declaration(
    state: &State,
    names: Names<'_>,
    text: &str,
    job: Option<&Job>,
) -> Result<Declaration, Violations> {
    let mut errors = FieldErrors::default();
    if !text.starts_with('{') {
        // Not a sentence about the body, as `Violations::of` would write for an empty pointer.
        let rejected = errors.push("", Invalid::new("wrong_type", "The job must be an object."));
        return errors.finish(Err(rejected));
    }
    let mut body: JobBody = read(text, &mut errors)?;
    named(&mut body, names, job, &mut errors);
    if body.kind.as_deref() == Some(Kind::OneTime.as_str()) {
        let invalid =
            Invalid::new("not_declarative", "cannot be one_time: each application would run the job")
                .hint("Create it with POST /v1/jobs.");
        errors.push("/kind", invalid);
    }
    let requested = job.map(|job| job.definition.state);
    // A client repeats what it has read: TrigRun has completed the job.
    if let Some(job) = job.filter(|job| job.state == JobState::Completed)
        && body.state.as_deref() == Some(job.state.as_str())
    {
        body.state = None;
    }
    let names_state = body.state.is_some();
    body.state = body.state.or(requested.map(|state| state.as_str().to_owned()));
    let before = job.map(|job| &job.definition);
    let context = Context { policy: &state.policy, now: state.clock.now(), before };
    let definition = body.define(&context, &mut errors);
    let definition = errors.finish(definition)?;
    Ok(Declaration { definition, names_state })
}

fn named(body: &mut JobBody, names: Names<'_>, job: Option<&Job>, errors: &mut FieldErrors) {
    let is_other = |given: &Option<String>, own: &str| given.as_deref().is_some_and(|given| given != own);
    if is_other(&body.key, names.key) {
        let detail = format!("differs from the key under which the job is sent, {}", names.key);
        errors.push("/key", Invalid::new("key_differs", detail));
    }
    body.key = Some(names.key.to_owned());
    if let Some(stack) = names.stack {
        if is_other(&body.stack, stack) {
            let detail = format!("differs from the stack that is applied, {stack}");
            errors.push("/stack", Invalid::new("stack_differs", detail));
        }
        body.stack = Some(stack.to_owned());
    } else if body.stack.is_none() {
        body.stack = job.and_then(|job| job.definition.stack.clone());
    }
    body.name.get_or_insert_with(|| names.key.to_owned());
}

impl Declaration {
    /// What this means for the job, which is the one that the declaration was read for.
    pub fn decide(self, state: &State, job: Option<&Job>) -> Result<Decision, ChangeError> {
        let Some(job) = job else { return Ok(Decision::Create(Box::new(self.definition))) };
        // To repeat the state that was requested is no request to revive a completed job.
        let names_state = self.names_state && self.definition.state != job.definition.state;
        let change = change::redefine(job, self.definition, names_state, state.clock.now())?;
        if change.definition == job.definition && change.state == job.state {
            return Ok(Decision::Keep);
        }
        Ok(Decision::Change(Box::new(change)))
    }
}
