//! A connection to Postgres: diesel's queries, run by tokio-postgres, with errors that keep their SQLSTATE.
//!
//! diesel-async has such a connection, but reduces the errors of Postgres to their text, which the server translates into the language
//! of its `lc_messages`. docs/decisions/0021 says why this is the way to get at the code.

use bytes::BytesMut;
use diesel::{
    ConnectionError, ConnectionResult, QueryResult,
    connection::{CacheSize, Instrumentation, InstrumentationEvent},
    pg::{Pg, PgMetadataLookup, PgQueryBuilder, PgTypeMetadata, PgValue},
    query_builder::{AsQuery, QueryBuilder, QueryFragment, QueryId, bind_collector::RawBytesBindCollector},
    result::Error as Diesel,
    row::{Field, PartialRow, Row, RowIndex, RowSealed},
};
use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncConnectionCore, SimpleAsyncConnection, TransactionManager,
    pooled_connection::PoolableConnection,
};
use futures_util::{
    FutureExt, StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use std::{
    collections::HashMap,
    error::Error,
    num::NonZeroU32,
    ops::Range,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_postgres::{
    AsyncMessage, Client, Connection, Socket, Statement,
    error::{DbError, Severity},
    tls::TlsStream,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};
use tokio_util::task::AbortOnDropHandle;

use super::error::PostgresError;

/// One session on the server. Ends when it is dropped, whatever it is doing.
pub struct Conn {
    client: Client,
    /// By their text: statements that are fit for it are prepared once per session.
    statements: HashMap<String, Statement>,
    transaction: AnsiTransactionManager,
    instrumentation: fn(InstrumentationEvent<'_>),
    /// Holds one: a notification says that there may be work, so one stands for all that came since the last.
    notifications: mpsc::Receiver<()>,
    /// Why the session ended: what the server said, rather than that the connection is closed.
    ended: Arc<OnceLock<PostgresError>>,
    /// The server said that it ends the session; the connection may still look open.
    is_ending: bool,
    /// When the pool gave it out for the last time.
    used_at: Instant,
    _driver: AbortOnDropHandle<()>,
}

/// A session that has rested for longer may have been ended by the server (`idle_session_timeout`) or by something on the way.
const MAX_UNTESTED_REST: Duration = Duration::from_secs(1);

impl Conn {
    pub(super) fn new<S>(client: Client, connection: Connection<Socket, S>) -> Self
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        let (notified, notifications) = mpsc::channel(1);
        let ended = Arc::new(OnceLock::new());
        let driver = drive(connection, notified, ended.clone());
        #[allow(clippy::disallowed_methods, reason = "part of the connection, not a task of the process")]
        let driver = AbortOnDropHandle::new(tokio::spawn(driver));
        Self {
            client,
            statements: HashMap::new(),
            transaction: AnsiTransactionManager::default(),
            instrumentation: |_| {},
            notifications,
            ended,
            is_ending: false,
            used_at: Instant::now(),
            _driver: driver,
        }
    }

    /// For the pool, before it gives this session out again: `Err` if it has ended. A busy session costs no round trip.
    pub(super) async fn test_after_rest(&mut self) -> QueryResult<()> {
        if self.used_at.elapsed() > MAX_UNTESTED_REST {
            self.batch_execute("").await?;
        }
        self.used_at = Instant::now();
        Ok(())
    }

    /// Waits for the next NOTIFY of a channel that this session listens to.
    pub(super) async fn notified(&mut self) -> QueryResult<()> {
        self.notifications.recv().await.ok_or_else(|| self.ended.get().cloned().unwrap_or_default().into())
    }

    fn error(&mut self, error: tokio_postgres::Error) -> Diesel {
        let severity = error.as_db_error().and_then(DbError::parsed_severity);
        self.is_ending |= matches!(severity, Some(Severity::Fatal | Severity::Panic));
        match self.ended.get() {
            Some(reason) if error.is_closed() => reason.clone().into(),
            _ => PostgresError::from(error).into(),
        }
    }

    async fn prepare(&mut self, query: &BoundQuery) -> QueryResult<Statement> {
        if let Some(statement) = self.statements.get(&query.text)
            && statement.params() == query.types
        {
            return Ok(statement.clone());
        }
        let prepared = self.client.prepare_typed(&query.text, &query.types).await;
        let statement = prepared.map_err(|error| self.error(error))?;
        if query.may_be_cached {
            self.statements.insert(query.text.clone(), statement.clone());
        }
        Ok(statement)
    }
}

/// Exchanges messages with the server until the session ends.
async fn drive<S>(
    mut connection: Connection<Socket, S>,
    notified: mpsc::Sender<()>,
    ended: Arc<OnceLock<PostgresError>>,
) where
    S: TlsStream + Unpin + Send + 'static,
{
    let mut messages = stream::poll_fn(|context| connection.poll_message(context));
    while let Some(message) = messages.next().await {
        match message {
            Ok(AsyncMessage::Notification(_)) => drop(notified.try_send(())),
            Ok(_) => {}
            // Set before the connection is dropped, so that those who wait for a response find it.
            Err(error) => {
                let _ = ended.set(error.into());
                break;
            }
        }
    }
}

/// A query as it goes over the wire.
struct BoundQuery {
    text: String,
    types: Vec<Type>,
    values: Vec<Value>,
    may_be_cached: bool,
}

impl BoundQuery {
    fn new(query: &impl QueryFragment<Pg>) -> QueryResult<Self> {
        let mut text = PgQueryBuilder::default();
        query.to_sql(&mut text, &Pg)?;
        let mut binds = RawBytesBindCollector::<Pg>::new();
        query.collect_binds(&mut binds, &mut BuiltInTypes, &Pg)?;
        let types = binds.metadata.iter().map(|metadata| {
            let oid = metadata.oid().map_err(|error| Diesel::SerializationError(Box::new(error)))?;
            Type::from_oid(oid)
                .ok_or_else(|| Diesel::SerializationError(format!("{oid} is no built-in type").into()))
        });
        Ok(Self {
            text: text.finish(),
            types: types.collect::<QueryResult<_>>()?,
            values: binds.binds.into_iter().map(Value).collect(),
            may_be_cached: query.is_safe_to_cache_prepared(&Pg)?,
        })
    }
}

/// The schema defines no types, so nothing is looked up: any other type fails by its id, 0.
struct BuiltInTypes;

impl PgMetadataLookup for BuiltInTypes {
    fn lookup_type(&mut self, _: &str, _: Option<&str>) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

/// A parameter, serialized by diesel.
#[derive(Debug)]
struct Value(Option<Vec<u8>>);

impl ToSql for Value {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        Ok(match &self.0 {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl SimpleAsyncConnection for Conn {
    async fn batch_execute(&mut self, statements: &str) -> QueryResult<()> {
        self.client.batch_execute(statements).await.map_err(|error| self.error(error))
    }
}

impl AsyncConnectionCore for Conn {
    type LoadFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<Self::Stream<'conn, 'query>>>;
    type ExecuteFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<usize>>;
    type Stream<'conn, 'query> = BoxStream<'static, QueryResult<PgRow>>;
    type Row<'conn, 'query> = PgRow;
    type Backend = Pg;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Pg> + QueryId + 'query,
    {
        // Serialized here, because the query need not be `Send`.
        let query = BoundQuery::new(&source.as_query());
        async move {
            let query = query?;
            let statement = self.prepare(&query).await?;
            let rows = self.client.query_raw(&statement, query.values).await;
            let rows = rows.map_err(|error| self.error(error))?;
            let types = statement.columns().iter().map(|column| {
                // Never 0: a column has a type.
                NonZeroU32::new(column.type_().oid()).unwrap_or(NonZeroU32::MIN)
            });
            let types: Arc<[NonZeroU32]> = types.collect();
            Ok(rows
                .map_ok(move |row| PgRow { row, types: types.clone() })
                .map_err(|error| PostgresError::from(error).into())
                .boxed())
        }
        .boxed()
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Pg> + QueryId + 'query,
    {
        let query = BoundQuery::new(&source);
        async move {
            let query = query?;
            let statement = self.prepare(&query).await?;
            let affected = self.client.execute_raw(&statement, query.values).await;
            let affected = affected.map_err(|error| self.error(error))?;
            Ok(usize::try_from(affected).unwrap_or(usize::MAX))
        }
        .boxed()
    }
}

impl AsyncConnection for Conn {
    type TransactionManager = AnsiTransactionManager;

    async fn establish(_: &str) -> ConnectionResult<Self> {
        Err(ConnectionError::BadConnection("connections are opened with settings: see store::pool".into()))
    }

    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        &mut self.transaction
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        &mut self.instrumentation
    }

    /// Not used: the store's callers measure and trace.
    fn set_instrumentation(&mut self, _: impl Instrumentation) {}

    fn set_prepared_statement_cache_size(&mut self, _: CacheSize) {}
}

impl PoolableConnection for Conn {
    fn is_broken(&mut self) -> bool {
        AnsiTransactionManager::is_broken_transaction_manager(self)
            || self.is_ending
            || self.client.is_closed()
    }
}

/// A row of a result.
pub struct PgRow {
    row: tokio_postgres::Row,
    /// Of its columns; shared by the rows of a result.
    types: Arc<[NonZeroU32]>,
}

impl RowSealed for PgRow {}

impl<'a> Row<'a, Pg> for PgRow {
    type InnerPartialRow = Self;
    type Field<'b>
        = PgField<'b>
    where
        Self: 'b,
        'a: 'b;

    fn field_count(&self) -> usize {
        self.row.len()
    }

    fn get<'b, I>(&'b self, index: I) -> Option<Self::Field<'b>>
    where
        'a: 'b,
        Self: RowIndex<I>,
    {
        Some(PgField { row: self, index: self.idx(index)? })
    }

    fn partial_row(&self, range: Range<usize>) -> PartialRow<'_, Self::InnerPartialRow> {
        PartialRow::new(self, range)
    }
}

impl RowIndex<usize> for PgRow {
    fn idx(&self, index: usize) -> Option<usize> {
        (index < self.types.len()).then_some(index)
    }
}

impl<'a> RowIndex<&'a str> for PgRow {
    fn idx(&self, name: &'a str) -> Option<usize> {
        self.row.columns().iter().position(|column| column.name() == name)
    }
}

/// A value in a row.
pub struct PgField<'a> {
    row: &'a PgRow,
    index: usize,
}

impl<'a> Field<'a, Pg> for PgField<'a> {
    fn field_name(&self) -> Option<&str> {
        Some(self.row.row.columns()[self.index].name())
    }

    fn value(&self) -> Option<PgValue<'_>> {
        let Raw(bytes) = self.row.row.get(self.index);
        bytes.map(|bytes| PgValue::new(bytes, &self.row.types[self.index]))
    }
}

/// The bytes of a value, deserialized by diesel.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(bytes)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
