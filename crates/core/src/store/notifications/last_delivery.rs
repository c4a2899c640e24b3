//! The last delivery through each of several channels.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use uuid::Uuid;

use crate::{
    domain::{
        id::{ChannelId, WorkspaceId},
        notification::NotificationStatus,
    },
    store::{Conn, StoreError, columns::parse_enum, sql::prepared},
};

/// How the last delivery through a channel ended.
#[derive(Clone, Debug)]
pub struct LastDelivery {
    pub status: NotificationStatus,
    pub at: DateTime<Utc>,
    pub error_class: Option<String>,
}

/// The statement of [`last_deliveries`], for the test of its plan.
pub const LAST_DELIVERIES: &str = "select n.* from unnest($2::uuid[]) as wanted(id)
     join lateral (
         select n.* from (
             select channel_id, status, finished_at, error_class from notifications n
             where n.channel_id = wanted.id and n.workspace_id = $1 order by n.channel_id desc, n.id desc limit 100) n
         where n.status in ('succeeded', 'failed') limit 1) n on true";

/// Of each of these channels, if one of its last hundred notifications has been delivered, or has failed.
pub async fn last_deliveries(
    conn: &mut Conn,
    workspace: WorkspaceId,
    channels: &[ChannelId],
) -> Result<HashMap<ChannelId, LastDelivery>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        channel_id: Uuid,
        #[diesel(sql_type = Text)]
        status: String,
        #[diesel(sql_type = Timestamptz)]
        finished_at: DateTime<Utc>,
        #[diesel(sql_type = Nullable<Text>)]
        error_class: Option<String>,
    }
    let channels: Vec<Uuid> = channels.iter().map(|channel| channel.uuid()).collect();
    let rows: Vec<Row> = prepared(
        sql_query(LAST_DELIVERIES).bind::<SqlUuid, _>(workspace.uuid()).bind::<Array<SqlUuid>, _>(channels),
    )
    .load(conn)
    .await?;
    let delivery = |row: Row| {
        let status = parse_enum("notifications.status", &row.status)?;
        let delivery = LastDelivery { status, at: row.finished_at, error_class: row.error_class };
        Ok((ChannelId::from_uuid(row.channel_id), delivery))
    };
    rows.into_iter().map(delivery).collect()
}
