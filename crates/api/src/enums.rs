//! The closed sets of names in the schemas of the API, by the name of their schema. The domain defines the values.
//!
//! A request accepts these values only. In responses, the document allows others too (`openapi::schemas`): later versions may add some.

use std::borrow::Cow;
use trigrun_core::domain::{
    access::Scope as DomainScope,
    attempt, audit, channel, convert, execution, forecast, hold, job, ledger,
    notification::{
        NotificationEvent as Event, NotificationStatus as Status, RuleEvent as Rule, SelectorKind,
    },
    operator, request, request_test, retry, schedule, session, statistics, user,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::settings::SignUp;

macro_rules! enums {
    ($all:ident $($(#[doc = $doc:literal])+ $name:ident: $values:expr;)*) => {
        $(
            pub enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let described = ObjectBuilder::new().description(Some(concat!($($doc),+).trim()));
                    described.schema_type(Type::String).enum_values(Some($values)).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )*

        /// Every enum with its schema: those of query parameters appear nowhere else.
        pub fn $all() -> Vec<(String, RefOr<Schema>)> {
            vec![$((stringify!($name).to_owned(), $name::schema())),*]
        }
    };
}

fn names<T: Copy>(values: &[T], name: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    values.iter().map(|value| name(*value)).collect()
}

fn wanted_states() -> Vec<&'static str> {
    let all = names(job::JobState::ALL, job::JobState::as_str);
    all.into_iter().filter(|name| job::wanted_state(name).is_ok()).collect()
}

fn declared_kinds() -> Vec<&'static str> {
    let all = names(&schedule::Kind::ALL, schedule::Kind::as_str);
    all.into_iter().filter(|name| *name != schedule::Kind::OneTime.as_str()).collect()
}

const STATUS_RANGES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

enums! { all
    /// Who can sign up. open: anyone. invite: users with an invitation. closed: no one.
    SignUpMode: names(&SignUp::ALL, SignUp::as_str);
    /// What a verification of an e-mail address is for.
    // A change of the address needs a session: POST /v1/me/email.
    VerificationPurpose: ["sign_up", "password_reset"];
    /// How the secret of a session is sent. token: in the header Authorization. cookie: as a cookie, by a browser.
    SessionKind: names(session::SessionKind::ALL, session::SessionKind::as_str);
    /// The kind of a job's schedule. recurring: every N minutes. cron: by an expression. scheduled: once, at an instant. one_time: once, now.
    JobKind: names(&schedule::Kind::ALL, schedule::Kind::as_str);
    /// The kind of a job that can be declared again and again: all but one_time.
    DeclaredKind: declared_kinds();
    /// The state of a job.
    JobState: names(job::JobState::ALL, job::JobState::as_str);
    /// How a list of jobs is sorted. A minus sign turns the order around.
    JobOrder: names(job::order::JobOrder::ALL, job::order::JobOrder::as_str);
    /// The state that a client may give a job.
    WantedState: wanted_states();
    /// What happens to a fire at the concurrency limit of its job. queue: it waits. skip: it is skipped.
    OverlapPolicy: names(job::OverlapPolicy::ALL, job::OverlapPolicy::as_str);
    /// What happens to missed fires. fire_once: one run for all of them. skip: none. catch_up: one run for each.
    MisfirePolicy: names(job::MisfirePolicy::ALL, job::MisfirePolicy::as_str);
    /// Whether a request of which the result is unknown is sent again.
    Delivery: names(retry::DeliveryGuarantee::ALL, retry::DeliveryGuarantee::as_str);
    /// What applying a job to a workspace does. orphan: the job of the stack is not in the request, and is kept.
    ChangeAction: ["create", "update", "unchanged", "pause", "delete", "orphan"].to_vec();
    /// What happens to jobs of a stack that are not applied.
    Prune: names(job::Prune::ALL, job::Prune::as_str);
    /// The method of a job's request.
    Method: names(request::Method::ALL, request::Method::as_str);
    /// The status of an execution.
    ExecutionStatus: names(execution::Status::ALL, execution::Status::as_str);
    /// The status of a test.
    TestStatus: names(request_test::TestStatus::ALL, request_test::TestStatus::as_str);
    /// What created an execution.
    ExecutionSource: names(execution::Source::ALL, execution::Source::as_str);
    /// Why a fire was skipped.
    SkipReason: ["misfire", "overlap", "suspended", "too_many_waiting"];
    /// A hundred statuses.
    StatusRange: STATUS_RANGES.to_vec();
    /// What is retried, besides single statuses. protocol_error: a POST or PATCH whose response cannot be read.
    RetryReason: [&STATUS_RANGES[..], &["protocol_error"]].concat();
    /// What a due execution waits for. concurrency_limit: a free slot of its job. capacity: its share of the executors.
    WaitingFor: ["concurrency_limit", "capacity"];
    /// How an attempt ended.
    AttemptStatus: names(attempt::AttemptStatus::ALL, attempt::AttemptStatus::as_str);
    /// A permission of a token.
    Scope: names(DomainScope::ALL, DomainScope::as_str);
    /// The role of a member.
    Role: names(user::Role::ALL, user::Role::as_str);
    /// The type of a notification channel.
    ChannelType: names(channel::ChannelType::ALL, channel::ChannelType::as_str);
    /// The jobs that a rule of a workspace is about.
    RuleSelector: names(SelectorKind::ALL, SelectorKind::as_str);
    /// When a rule notifies its channel.
    RuleEvent: names(Rule::ALL, Rule::as_str);
    /// What a notification reports.
    NotificationEvent: names(Event::ALL, Event::as_str);
    /// The status of a notification.
    NotificationStatus: names(Status::ALL, Status::as_str);
    /// An action of the audit log.
    AuditAction: names(audit::Action::ALL, audit::Action::as_str);
    /// Who makes a change.
    ActorType: ["user", "token", "operator"];
    /// The format of a source of jobs.
    SourceFormat: names(convert::Format::ALL, convert::Format::as_str);
    /// The format of a source of jobs. auto: as its content shows.
    WantedFormat: [&[convert::AUTO], names(convert::Format::ALL, convert::Format::as_str).as_slice()].concat();
    /// What a finding is about. changed: kept by other means. lost: the job is made without it. secret: a credential. refused: there is no job.
    FindingLevel: names(convert::Level::ALL, convert::Level::as_str);
    /// What a clock change does to times of a schedule. moved: the time runs after the gap. merged: several run together. dropped: they do not
    /// run. twice: they run both times. once: they run at the first.
    ClockEffect: names(schedule::ClockEffect::ALL, schedule::ClockEffect::as_str);
    /// Why a job keeps its schedule. not_active: it does not exist, or has no next fire. not_in_window: it does not fire there. not_cron: it has
    /// no expression. several_minutes: its expression has no single fixed minute. already_spread: it has the proposed minute.
    KeptReason: names(forecast::KeptReason::ALL, forecast::KeptReason::as_str);
    /// What is done to many executions.
    BulkAction: names(execution::BulkAction::ALL, execution::BulkAction::as_str);
    /// What is done to many jobs.
    JobsBulkAction: names(job::BulkAction::ALL, job::BulkAction::as_str);
    /// What happened to a job at an instant.
    Verdict: names(ledger::Verdict::ALL, ledger::Verdict::as_str);
    /// What statistics are grouped by.
    StatsBy: names(statistics::StatsBy::ALL, statistics::StatsBy::as_str);
    /// Which failures are listed. now: of jobs whose last execution failed. all: also of jobs that are well again.
    FailureState: names(statistics::FailureState::ALL, statistics::FailureState::as_str);
    /// The health of a job: the last execution that succeeded or failed decides.
    HealthState: names(statistics::HealthState::ALL, statistics::HealthState::as_str);
    /// The health by which jobs are searched. will_fail: active jobs that reference a secret that does not exist.
    HealthFilter: names(statistics::HealthFilter::ALL, statistics::HealthFilter::as_str);
    /// gap: a fire without an execution. duplicate: an execution without a fire.
    MismatchKind: ["gap", "duplicate"];
}

// Those of the operator API.
enums! { of_operators
    /// What an operator has done.
    OperatorAction: names(operator::OperatorAction::ALL, operator::OperatorAction::as_str);
    /// What becomes of the fires and executions that were due during a hold. run: the misfire policy of each job decides about the fires, and
    /// what was waiting runs. skip: none of them runs.
    MissedFires: names(hold::Missed::ALL, hold::Missed::as_str);
}
