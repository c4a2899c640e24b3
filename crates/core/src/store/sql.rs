//! Hand-written statements that are prepared once per connection.
//!
//! `diesel::sql_query` prepares its text again on every call, because the text might differ each time; that costs the hot
//! paths a round trip each. Ours never differ, so diesel's statement cache may keep them.

use diesel::{
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::Untyped,
};
use std::marker::PhantomData;

/// Marks a `sql_query(…).bind(…)…` whose text is a constant as fit for the statement cache.
pub const fn prepared<Q>(query: Q) -> Prepared<Q> {
    Prepared(query)
}

pub struct Prepared<Q>(Q);

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Prepared<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> Query for Prepared<Q> {
    type SqlType = Untyped;
}

/// Cached by its text.
impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// The same, whose rows are read by place, as `ST` says: to look for each column by its name takes longer than to read it.
pub const fn prepared_as<ST, Q>(query: Q) -> PreparedAs<ST, Q> {
    PreparedAs(Prepared(query), PhantomData)
}

pub struct PreparedAs<ST, Q>(Prepared<Q>, PhantomData<fn() -> ST>);

impl<ST, Q: QueryFragment<Pg>> QueryFragment<Pg> for PreparedAs<ST, Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, backend: &Pg) -> QueryResult<bool> {
        self.0.is_safe_to_cache_prepared(backend)
    }
}

impl<ST, Q> Query for PreparedAs<ST, Q> {
    type SqlType = ST;
}

/// Cached by its text.
impl<ST, Q> QueryId for PreparedAs<ST, Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// What belongs together, in one statement and so in one transaction: two insertions and maybe a third. Each sees what was before
/// all of them; constraints between them are checked after the last.
pub struct Together<A, B, C>(pub A, pub B, pub Option<C>);

impl<A: QueryFragment<Pg>, B: QueryFragment<Pg>, C: QueryFragment<Pg>> QueryFragment<Pg>
    for Together<A, B, C>
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("with first as (");
        self.0.walk_ast(out.reborrow())?;
        let Some(third) = &self.2 else {
            out.push_sql(") ");
            return self.1.walk_ast(out);
        };
        out.push_sql("), second as (");
        self.1.walk_ast(out.reborrow())?;
        out.push_sql(") ");
        third.walk_ast(out)
    }
}

impl<A, B, C> Query for Together<A, B, C> {
    type SqlType = Untyped;
}

/// Cached by its text.
impl<A, B, C> QueryId for Together<A, B, C> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
