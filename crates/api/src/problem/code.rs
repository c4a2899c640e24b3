//! The codes of problems: all that the API returns, with what each means and what to do. `GET /problems` publishes them, and docs/api.md has
//! the same table.
//!
//! A code never changes. Its texts are for users: they may, and they use Markdown's backticks.

use actix_web::http::StatusCode;

/// What a code means, whatever request got it.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// The statuses with which the code is returned. A problem has the first one, unless it says otherwise.
    pub statuses: &'static [StatusCode],
    /// A few words, the same in every problem with this code (RFC 9457 §3.1.3).
    pub title: &'static str,
    /// What happened: a sentence.
    pub meaning: &'static str,
    /// What the client can do: a sentence or two.
    pub action: &'static str,
    /// Where the documentation says more: a link relative to its pages.
    pub see: Option<&'static str>,
}

macro_rules! problem_codes {
    ($($variant:ident $code:literal [$($status:ident),+] $title:literal
        $meaning:literal $action:literal $(see $see:literal)?;)*) => {
        /// The stable code of a problem, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemCode { $($variant),* }

        impl ProblemCode {
            /// By status.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            pub const fn explanation(self) -> Explanation {
                match self {
                    $(Self::$variant => Explanation {
                        statuses: &[$(StatusCode::$status),+],
                        title: $title,
                        meaning: $meaning,
                        action: $action,
                        see: problem_codes!(@see $($see)?),
                    }),*
                }
            }
        }
    };
    (@see) => { None };
    (@see $see:literal) => { Some($see) };
}

problem_codes! {
    JsonInvalid "json_invalid" [BAD_REQUEST] "Invalid JSON"
        "The body is not JSON in UTF-8."
        "Correct the body where `detail` says.";
    BodyIncomplete "body_incomplete" [BAD_REQUEST] "Incomplete body"
        "The body did not arrive completely."
        "Send the request again.";
    HostInvalid "host_invalid" [BAD_REQUEST] "Invalid Host"
        "The header `Host` is not a host and port."
        "Send the host and port of the API.";
    UpgradeRefused "upgrade_refused" [BAD_REQUEST] "No WebSockets"
        "The request asks for WebSockets, which the API does not have."
        "Send the request without the header `Upgrade`.";
    WorkspaceAmbiguous "workspace_ambiguous" [BAD_REQUEST] "No workspace selected"
        "The user is a member of several workspaces, and the request selects none."
        "Name one in the header `TrigRun-Workspace`.";
    Unauthorized "unauthorized" [UNAUTHORIZED] "Invalid token"
        "The token is missing, mistyped, unknown, expired or revoked."
        "Send a valid token as `Authorization: Bearer …`."
        see "people.md#api-tokens";
    CredentialsWrong "credentials_wrong" [UNAUTHORIZED] "Wrong credentials"
        "The e-mail address or the password is wrong."
        "Correct them. Too many wrong log-ins are limited.";
    ScopeMissing "scope_missing" [FORBIDDEN] "Missing scope"
        "The token lacks the scope, or the user lacks the role, for the operation or for what it would give."
        "Use a token or a session that has the scope."
        see "people.md#api-tokens";
    WorkspaceSuspended "workspace_suspended" [FORBIDDEN] "Workspace suspended"
        "The operator has suspended the workspace: none of its jobs run, and it can only be read and deleted."
        "Ask the operator, who has given a reason."
        see "people.md#suspended-workspaces";
    ExpiresTooEarly "expires_too_early" [FORBIDDEN] "Token expires too early"
        "The token expires before the one that it would rotate."
        "Use a session, or a token that is valid for as long.";
    SessionRequired "session_required" [FORBIDDEN] "Session required"
        "The operation needs a user who is logged in."
        "Log in, and send the token of the session.";
    ConfirmationRequired "confirmation_required" [FORBIDDEN] "Password required"
        "The session is that of a browser, and the operation needs the password, which was not given within ten minutes."
        "Send the password to `POST /v1/auth/confirm`, then repeat the request."
        see "sessions.md#confirmation";
    OwnerRequired "owner_required" [FORBIDDEN] "Owner required"
        "The operation needs an owner of the workspace with a session."
        "Ask an owner of the workspace.";
    NoWorkspace "no_workspace" [FORBIDDEN] "No workspace"
        "The user is not a member of any workspace."
        "Create a workspace, or accept an invitation.";
    SignUpClosed "sign_up_closed" [FORBIDDEN] "Sign-up disabled"
        "Sign-up is disabled on this server."
        "Ask its administrator."
        see "people.md#signing-up-and-logging-in";
    SignUpByInvitation "sign_up_by_invitation" [FORBIDDEN] "Invitation required"
        "Sign-up requires an invitation on this server."
        "Ask an admin of a workspace for one."
        see "people.md#signing-up-and-logging-in";
    MailDisabled "mail_disabled" [FORBIDDEN] "No e-mail"
        "This server sends no e-mail, so it cannot verify an address or replace a forgotten password."
        "Ask its administrator."
        see "people.md#signing-up-and-logging-in";
    QuotaExceeded "quota_exceeded" [FORBIDDEN, TOO_MANY_REQUESTS] "Quota exceeded"
        "The request exceeds a limit of the workspace."
        "Delete what is no longer needed; after a 429, wait as long as `Retry-After` says."
        see "people.md#quotas";
    NotFound "not_found" [NOT_FOUND] "Not found"
        "The object or the path does not exist, or this token may not see it; the responses are the same."
        "Check the path, the id, and the workspace of the token.";
    MethodNotAllowed "method_not_allowed" [METHOD_NOT_ALLOWED] "Method not allowed"
        "The path does not support the method."
        "Use one of the methods in `Allow`.";
    BodyTooSlow "body_too_slow" [REQUEST_TIMEOUT] "Body too slow"
        "The body did not arrive within 8 s."
        "Send the request again.";
    JobIsDraft "job_is_draft" [CONFLICT] "Job is a draft"
        "The job is a draft, which cannot run or be paused."
        "Activate the job first.";
    JobCompleted "job_completed" [CONFLICT] "Job completed"
        "The only run of the job has ended."
        "Use run-now, or give the job a new schedule.";
    JobIsPaused "job_is_paused" [CONFLICT] "Job is paused"
        "The job is paused, and the request comes from a run of TrigRun."
        "Resume the job, or run it by another client.";
    RunAtPast "run_at_past" [CONFLICT] "Time of run has passed"
        "The `run_at` of the job passed while the job was not active."
        "Give the job a new `run_at`.";
    JobChanges "job_changes" [CONFLICT] "Concurrent changes"
        "Other requests keep changing the job."
        "Try again.";
    ScheduleUnreadable "schedule_unreadable" [CONFLICT] "Unreadable schedule"
        "The time zone database no longer contains the time zone of the job."
        "Give the job another time zone.";
    ExecutionEnded "execution_ended" [CONFLICT] "Execution ended"
        "The execution has ended and cannot be cancelled."
        "Read the execution to see its result.";
    KeyTaken "key_taken" [CONFLICT] "Key taken"
        "Another job of the workspace has the key."
        "Use another key, or replace that job with `PUT /v1/jobs/{key}`."
        see "apply.md#keys";
    StackConflict "stack_conflict" [CONFLICT] "Jobs of another stack"
        "Jobs with these keys exist, and they do not belong to the stack."
        "Use other keys, or take the jobs over with `take_over`."
        see "apply.md#stacks";
    ApplicationIncomplete "application_incomplete" [CONFLICT] "Incomplete application"
        "The time of the request was over before this job was changed. Only a job in the response to an application has this code."
        "Apply the stack again: what has been done is not done again."
        see "apply.md#stacks";
    TooManyDeletes "too_many_deletes" [CONFLICT] "Too many deletions"
        "The application would delete more jobs than `max_deletes` allows. Nothing has changed."
        "Check the plan with `dry_run`, then raise `max_deletes`."
        see "apply.md#pruning";
    SecretExists "secret_exists" [CONFLICT] "Secret exists"
        "The workspace has a secret with this name."
        "Replace its value with `PUT /v1/secrets/{name}`, or choose another name.";
    ChannelExists "channel_exists" [CONFLICT] "Channel exists"
        "The workspace has a channel with this name."
        "Change that channel, or choose another name.";
    RuleExists "rule_exists" [CONFLICT] "Rule exists"
        "The job already has this rule."
        "Nothing is left to do.";
    EmailTaken "email_taken" [CONFLICT] "E-mail address taken"
        "A user with this e-mail address exists."
        "Log in instead.";
    MemberExists "member_exists" [CONFLICT] "Already a member"
        "The user is already a member of the workspace."
        "Change the role with `PATCH /v1/members/{id}`.";
    SecretInUse "secret_in_use" [CONFLICT] "Secret in use"
        "Jobs refer to the secret."
        "Change these jobs first, or delete it anyway with `?force=true`.";
    ChannelInUse "channel_in_use" [CONFLICT] "Channel in use"
        "Notification rules of jobs refer to the channel."
        "Delete the rules first, or together with the channel with `?force=true`.";
    TooManyChannels "too_many_channels" [CONFLICT] "Too many channels"
        "The workspace has as many channels as it can have."
        "Delete one first.";
    TooManyRules "too_many_rules" [CONFLICT] "Too many rules"
        "The job has as many notification rules as it can have."
        "Delete one first.";
    TooManyWorkspaces "too_many_workspaces" [CONFLICT] "Too many workspaces"
        "The user has created as many workspaces as a user can."
        "Delete one first.";
    LastOwner "last_owner" [CONFLICT] "Last owner"
        "A workspace keeps at least one owner."
        "Make another member an owner first.";
    RotationPending "rotation_pending" [CONFLICT] "Rotation pending"
        "The signing secret was rotated within the last day, and the previous one is still valid."
        "Wait, or invalidate the previous one with `?force=true`."
        see "signing.md#rotation";
    VersionMismatch "version_mismatch" [PRECONDITION_FAILED] "Version mismatch"
        "The job is no longer as the `ETag` in `If-Match` says."
        "Read the job again, and decide anew.";
    JobExists "job_exists" [PRECONDITION_FAILED] "Job exists"
        "The request has `If-None-Match: *`, and a job with this key exists."
        "Leave the header out to replace the job."
        see "apply.md#keys";
    PlanStale "plan_stale" [PRECONDITION_FAILED] "Stale plan"
        "Jobs are no longer as the plan in `expect` says. Nothing has changed."
        "Make a new plan with `dry_run`, and decide anew."
        see "apply.md#plans";
    BodyTooLarge "body_too_large" [PAYLOAD_TOO_LARGE] "Body too large"
        "The body exceeds 1 MiB, 8 MiB for a batch, 4 MiB for a conversion or an application, or 16 KiB for sign-up, login and operations that take no body."
        "Send a smaller body.";
    MediaType "media_type" [UNSUPPORTED_MEDIA_TYPE] "Unsupported media type"
        "The body is not sent as JSON, is not UTF-8, or has a `Content-Encoding`."
        "Send JSON with `Content-Type: application/json`.";
    ValidationFailed "validation_failed" [UNPROCESSABLE_ENTITY] "Validation failed"
        "Fields, parameters or headers are invalid."
        "Correct what `errors` lists.";
    RateLimited "rate_limited" [TOO_MANY_REQUESTS] "Too many requests"
        "The token, the user, the workspace or the client address sends too many requests."
        "Wait as long as `Retry-After` says."
        see "#limits";
    TooManyConcurrentRequests "too_many_concurrent_requests" [TOO_MANY_REQUESTS] "Too many concurrent requests"
        "The account has too many requests in progress."
        "Wait for their responses, then try again."
        see "#limits";
    TooManyStreams "too_many_streams" [TOO_MANY_REQUESTS] "Too many streams"
        "The account, or the server, has as many streams as it can have."
        "Close a stream, or wait until one ends."
        see "executions.md#a-stream";
    Internal "internal" [INTERNAL_SERVER_ERROR] "Internal error"
        "TrigRun has a bug. It has been logged."
        "Report it with the `request_id`.";
    QueryTimeout "query_timeout" [SERVICE_UNAVAILABLE] "Query timeout"
        "A query took too long and was cancelled, a list after one second."
        "Request a shorter span of time, or a smaller `limit`.";
    Unavailable "unavailable" [SERVICE_UNAVAILABLE] "Unavailable"
        "TrigRun cannot reach its database. The request may or may not have taken effect."
        "Try again after the time in `Retry-After`; send creates and runs with an `Idempotency-Key`.";
    NotReady "not_ready" [SERVICE_UNAVAILABLE] "Not ready"
        "The process cannot serve requests: `detail` names the part that is not ready."
        "Try again after the time in `Retry-After`.";
    Busy "busy" [SERVICE_UNAVAILABLE] "Busy"
        "The process holds as many log-ins, or as many bytes of requests and responses, as it may. Nothing has happened."
        "Try again after the time in `Retry-After`; send fewer large requests at once."
        see "#limits";
    LoopDetected "loop_detected" [LOOP_DETECTED] "Loop detected"
        "The request comes from a chain of too many runs, each of which made the next one due."
        "Let the chain end, or start runs from outside."
        see "jobs.md#jobs-that-call-trigrun";
}

impl ProblemCode {
    /// The URI that identifies the code in every installation (RFC 9457 §3.1.1). The installation at this host answers it; others answer its path.
    pub fn uri(self) -> String {
        format!("https://trigrun.dev/problems/{}", self.as_str())
    }

    /// The status of a problem with this code, unless it says otherwise.
    pub fn status(self) -> StatusCode {
        self.explanation().statuses.first().copied().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
