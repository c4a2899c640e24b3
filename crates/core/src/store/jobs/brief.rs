//! What a list of other things says about their jobs.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use uuid::Uuid;

use crate::{
    domain::id::{JobId, WorkspaceId},
    store::{Conn, StoreError, sql::prepared},
};

/// The name of a job, its key and version, and the secrets that its current version references.
#[derive(Clone, Debug)]
pub struct Brief {
    pub key: Option<String>,
    pub version: i32,
    pub name: String,
    pub secrets: Vec<String>,
}

/// Those of `jobs` that exist.
pub async fn brief(
    conn: &mut Conn,
    workspace: WorkspaceId,
    jobs: &[JobId],
) -> Result<HashMap<JobId, Brief>, StoreError> {
    #[derive(QueryableByName)]
    struct BriefRow {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Nullable<Text>)]
        key: Option<String>,
        #[diesel(sql_type = Integer)]
        version: i32,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Array<Text>)]
        secrets: Vec<String>,
    }
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.uuid()).collect();
    let rows: Vec<BriefRow> = prepared(
        sql_query(
            "select j.id, j.key, j.version, v.name, v.secrets
             from unnest($2::uuid[]) as wanted(id)
             join lateral (select * from jobs j where j.id = wanted.id and j.workspace_id = $1 limit 1) j on true
             join lateral (select * from job_versions v where v.job_id = j.id and v.version = j.version limit 1) v on true",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Array<SqlUuid>, _>(ids),
    )
    .load(conn)
    .await?;
    let brief = |row: BriefRow| {
        let BriefRow { id, key, version, name, secrets } = row;
        (JobId::from_uuid(id), Brief { key, version, name, secrets })
    };
    Ok(rows.into_iter().map(brief).collect())
}
