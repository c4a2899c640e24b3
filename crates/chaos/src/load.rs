//! The load: a typical mix of jobs, which fire every few seconds. The API does not offer such short intervals.

use chrono::{DateTime, TimeDelta, Utc};
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        audit::Author,
        id::{JobId, TokenId, WorkspaceId},
        job::{Definition, MisfirePolicy, OverlapPolicy},
        request::{Headers, Request},
        retry::{DeliveryGuarantee, RetryPolicy},
        rights::Giver,
        schedule::Schedule,
        workspace::Workspace,
    },
    store::{
        Db, PostgresSettings, clock, jobs,
        secrets::{self, NewValue},
        tokens, workspace_keys, workspaces,
    },
};
use trigrun_testkit::{
    jobs::{OPERATOR, every_seconds},
    keys as master,
};
use uuid::Uuid;

use crate::recorder::{Recorder, SECRET, SECRET_HEADER};

/// How the target behaves, and what the job sets apart from its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Fast,
    Failing,
    Slow,
    /// Concurrency limit 1; fires that overlap wait.
    OneAtATime,
    /// Concurrency limit 1; fires that overlap are skipped.
    OneOrSkip,
    AtMostOnce,
    /// Clients pause and resume it all the time.
    Toggled,
}

impl Kind {
    /// Of twenty jobs, one fails, one is slow, and four are special in other ways.
    fn of(index: usize) -> Self {
        match index % 20 {
            3 => Self::Failing,
            7 => Self::Slow,
            9 => Self::OneAtATime,
            11 => Self::OneOrSkip,
            13 => Self::AtMostOnce,
            17 => Self::Toggled,
            _ => Self::Fast,
        }
    }

    pub const fn limit(self) -> Option<u32> {
        match self {
            Self::OneAtATime | Self::OneOrSkip => Some(1),
            _ => None,
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Fast | Self::Toggled => "/fast",
            // Slow enough to be killed during the request.
            Self::AtMostOnce => "/slow/500",
            Self::Failing => "/failing",
            Self::Slow => "/slow/800",
            Self::OneAtATime | Self::OneOrSkip => "/slow/300",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub jobs: usize,
    pub every_seconds: u32,
    pub workspaces: usize,
    /// Assigned to the jobs in turn.
    pub misfire: &'static [MisfirePolicy],
    /// Makes all jobs of this kind.
    pub only: Option<Kind>,
    /// Puts a secret into a header of every job.
    pub secret: bool,
}

impl Default for Plan {
    fn default() -> Self {
        let misfire = &[MisfirePolicy::CatchUp];
        Self { jobs: 60, every_seconds: 1, workspaces: 6, misfire, only: None, secret: false }
    }
}

/// A job of the load, with everything that determines its fires.
#[derive(Clone, Debug)]
pub struct LoadJob {
    pub id: Uuid,
    pub kind: Kind,
    pub every: TimeDelta,
    /// The first fire; the others follow at intervals of `every`.
    pub first: DateTime<Utc>,
    pub tenant: usize,
    pub misfire: MisfirePolicy,
}

pub struct Tenant {
    pub workspace: WorkspaceId,
    pub token: String,
}

pub struct Load {
    pub jobs: Vec<LoadJob>,
    pub tenants: Vec<Tenant>,
}

/// From the creation of the jobs to the first fire.
const FIRST_FIRE_DELAY: TimeDelta = TimeDelta::seconds(2);

impl Load {
    pub async fn create(
        plan: Plan,
        postgres: &PostgresSettings,
        recorder: &Recorder,
    ) -> anyhow::Result<Self> {
        let db = Db::new(postgres)?;
        let mut conn = db.conn().await?;
        let now = clock::now(&mut conn).await?;
        let by = Author::operator(now);
        let mut load = Self { jobs: Vec::new(), tenants: Vec::new() };
        for tenant in 0..plan.workspaces {
            let workspace = Workspace { id: WorkspaceId::at(now), name: format!("tenant {tenant}") };
            workspaces::insert(&mut conn, &workspace, &by).await?;
            let token = crypto::new_token(TokenKind::Api)?;
            let new = tokens::NewToken {
                id: TokenId::at(now),
                name: "chaos",
                hash: &crypto::token_hash(&token),
                scopes: Scope::ALL,
                expires_at: None,
                giver: &Giver::Operator,
            };
            tokens::insert(&mut conn, workspace.id, new, &by, None).await?;
            if plan.secret {
                let key = workspace_keys::data_key(&mut conn, workspace.id, &master::keys()).await?;
                let (name, value) = SECRET;
                secrets::insert(&mut conn, workspace.id, NewValue { name, value, key: &key, by: &by })
                    .await?;
            }
            load.tenants.push(Tenant { workspace: workspace.id, token: token.reveal().to_owned() });
        }
        let start = whole_second(clock::now(&mut conn).await? + FIRST_FIRE_DELAY);
        let every = TimeDelta::seconds(i64::from(plan.every_seconds));
        for tenant in 0..plan.workspaces {
            let mut definitions = Vec::new();
            for index in (tenant..plan.jobs).step_by(plan.workspaces) {
                let kind = plan.only.unwrap_or(Kind::of(index / plan.workspaces + tenant * 7));
                // Spread over the interval, in whole milliseconds.
                let offset = every * i32::try_from(index)? / i32::try_from(plan.jobs)?;
                let first = start + TimeDelta::milliseconds(offset.num_milliseconds());
                let job = LoadJob {
                    id: JobId::at(first - every).uuid(),
                    kind,
                    every,
                    first,
                    tenant,
                    misfire: plan.misfire[index % plan.misfire.len()],
                };
                definitions.push((definition(&job, plan, recorder), job));
            }
            for batch in definitions.chunks(500) {
                let new: Vec<_> = batch.iter().map(|(definition, job)| new_job(definition, job)).collect();
                jobs::insert_all(&mut conn, load.tenants[tenant].workspace, &new, None).await?;
            }
            load.jobs.extend(definitions.into_iter().map(|(_, job)| job));
        }
        Ok(load)
    }

    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &LoadJob> {
        self.jobs.iter().filter(move |job| job.kind == kind)
    }
}

fn definition(job: &LoadJob, plan: Plan, recorder: &Recorder) -> Definition {
    let at_most_once = job.kind == Kind::AtMostOnce;
    let default = every_seconds(plan.every_seconds, &recorder.url(job.kind.path()));
    let secret = plan.secret.then(|| (SECRET_HEADER.to_owned(), format!("secret://{}", SECRET.0)));
    // A valid header.
    let headers = Headers::check(secret.into_iter().collect()).unwrap_or_default();
    Definition {
        request: Request { headers, ..default.request },
        name: format!("{:?}", job.kind),
        schedule: Schedule::Recurring { every_seconds: plan.every_seconds },
        retry_policy: RetryPolicy {
            max_attempts: if at_most_once { 1 } else { 2 },
            ..RetryPolicy::default()
        },
        concurrency_limit: job.kind.limit(),
        overlap_policy: if job.kind == Kind::OneOrSkip { OverlapPolicy::Skip } else { OverlapPolicy::Queue },
        misfire_policy: job.misfire,
        catch_up_limit: 1000,
        delivery: if at_most_once { DeliveryGuarantee::AtMostOnce } else { DeliveryGuarantee::default() },
        ..default
    }
}

fn new_job<'a>(definition: &'a Definition, job: &LoadJob) -> jobs::NewJob<'a> {
    let new = jobs::NewJob::new(JobId::from_uuid(job.id), definition, &OPERATOR, job.first - job.every);
    jobs::NewJob { first_fire: Some(job.first), ..new }
}

fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    at - TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos()))
}
