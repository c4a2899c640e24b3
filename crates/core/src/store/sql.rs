//! Hand-written statements: prepared once per connection, their rows typed by schema.rs.
//!
//! `diesel::sql_query` prepares its text again on every call, because the text might differ each time. That costs a round trip. The
//! statements of the store are constant, so the connection may keep them prepared.

use diesel::{
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::Untyped,
};
use std::marker::PhantomData;

/// Lets the connection keep a `sql_query(…).bind(…)…` prepared: its text is a constant.
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

/// A row that is read by position, as `row!` declares it.
pub trait Row {
    type SqlType;
}

/// The same as [`prepared`], with rows that are read by position: to look up each column by its name takes longer than to read it.
pub const fn prepared_as<R: Row, Q>(query: Q) -> PreparedAs<R, Q> {
    PreparedAs(Prepared(query), PhantomData)
}

pub struct PreparedAs<R, Q>(Prepared<Q>, PhantomData<fn() -> R>);

impl<R, Q: QueryFragment<Pg>> QueryFragment<Pg> for PreparedAs<R, Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, backend: &Pg) -> QueryResult<bool> {
        self.0.is_safe_to_cache_prepared(backend)
    }
}

impl<R: Row, Q> Query for PreparedAs<R, Q> {
    type SqlType = R::SqlType;
}

/// Cached by its text.
impl<R, Q> QueryId for PreparedAs<R, Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// Declares a row that is read by position, and a macro with its select list. One list of columns makes the fields, their SQL types and
/// the text, so that no two columns can be swapped; a field whose type is not that of its column in schema.rs does not compile.
///
/// `alias in table { fields }` or `table { fields }`; `expression name: Type as SqlType;` is a column that the select list gets as an
/// argument: `columns!(name = "sql")`.
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $Row:ident, $columns:ident { $($source:tt)* }) => {
        $crate::store::sql::row! { @ ($) [$(#[$meta])* $vis struct $Row, $columns] [] [] [] [] $($source)* }
    };
    (@ ($d:tt) $head:tt [$($field:tt)*] [$($sql_type:tt)*] [$($text:tt)*] $arguments:tt
        $alias:ident in $table:ident { $($column:ident: $type:ty),* $(,)? } $($rest:tt)*) => {
        $crate::store::sql::row! { @ ($d) $head
            [$($field)* $($column: $type,)*]
            [$($sql_type)* $(diesel::dsl::SqlTypeOf<$table::$column>,)*]
            [$($text)* $(", ", stringify!($alias), ".", stringify!($column),)*]
            $arguments $($rest)* }
    };
    (@ ($d:tt) $head:tt [$($field:tt)*] [$($sql_type:tt)*] [$($text:tt)*] [$($argument:tt)*]
        expression $name:ident: $type:ty as $expression_type:ty; $($rest:tt)*) => {
        $crate::store::sql::row! { @ ($d) $head
            [$($field)* $name: $type,]
            [$($sql_type)* $expression_type,]
            [$($text)* ", ", $d $name, " as ", stringify!($name),]
            [$($argument)* $name = $d $name:expr,]
            $($rest)* }
    };
    (@ ($d:tt) $head:tt [$($field:tt)*] [$($sql_type:tt)*] [$($text:tt)*] $arguments:tt
        $table:ident { $($column:ident: $type:ty),* $(,)? } $($rest:tt)*) => {
        $crate::store::sql::row! { @ ($d) $head
            [$($field)* $($column: $type,)*]
            [$($sql_type)* $(diesel::dsl::SqlTypeOf<$table::$column>,)*]
            [$($text)* $(", ", stringify!($column),)*]
            $arguments $($rest)* }
    };
    (@ ($d:tt) [$(#[$meta:meta])* $vis:vis struct $Row:ident, $columns:ident]
        [$($field:tt)*] [$($sql_type:tt)*] [", ", $($text:tt)*] [$($argument:tt)*]) => {
        $(#[$meta])*
        #[derive(diesel::Queryable)]
        $vis struct $Row { $($field)* }

        impl $crate::store::sql::Row for $Row {
            type SqlType = ($($sql_type)*);
        }

        macro_rules! $columns {
            ($($argument)*) => { concat!($($text)*) };
        }
    };
}
pub(super) use row;

/// Declares the columns of a table that only hand-written statements use, with their types. `diesel::table!` would compile for longer:
/// with executions, diesel itself would have to be built for tables of up to 64 columns, which takes it three times as long.
macro_rules! columns {
    ($table:ident { $($column:ident -> $type:ty,)* }) => {
        pub mod $table {
            #![allow(non_camel_case_types)]

            use diesel::sql_types::*;

            $(
                pub struct $column;

                impl diesel::Expression for $column {
                    type SqlType = $type;
                }
            )*
        }
    };
}
pub(super) use columns;
