//! Which jobs an operation concerns: the same filters for lists, counts and changes of many.

use trigrun_core::{
    domain::{job::JobState, schedule::Kind, statistics::HealthFilter},
    store::jobs::Filter,
};

use crate::{
    enums,
    extract::query::{Parameters, query},
};

query! {
    pub struct JobFilter {
        /// Jobs in this state.
        #[param(value_type = Option<enums::JobState>)]
        state: Option<JobState> = Parameters::parsed,
        /// Jobs of this kind.
        #[param(value_type = Option<enums::JobKind>)]
        kind: Option<Kind> = Parameters::parsed,
        /// Jobs with this tag.
        tag: Option<String> = Parameters::text,
        /// Jobs of this stack.
        stack: Option<String> = Parameters::text,
        /// Jobs that call this host.
        host: Option<String> = Parameters::host_name,
        /// Jobs that reference the secret with this name.
        secret: Option<String> = Parameters::text,
        /// Jobs whose last execution that succeeded or failed did so, or that have never run; or active jobs that reference a secret that does not
        /// exist.
        #[param(value_type = Option<enums::HealthFilter>)]
        health: Option<HealthFilter> = Parameters::parsed,
        /// A part of the name, in any case.
        q: Option<String> = Parameters::text,
    }
}

impl From<JobFilter> for Filter {
    fn from(filter: JobFilter) -> Self {
        let JobFilter { state, kind, tag, stack, host, secret, health, q } = filter;
        Self { state, kind, tag, stack, host, secret, health, q }
    }
}
