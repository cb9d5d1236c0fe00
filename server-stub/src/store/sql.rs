//! Queries. The same functions serve the writer, whose connection is used where it is, and the readers, whose statements run on
//! threads of sqlx's.
//!
//! A statement of the writer takes microseconds; handing each one to another thread and back took several times as long, and that was
//! the server's speed. So the writer's thread asks SQLite itself: its queries are over before they are awaited. A reader may take
//! seconds over a report, and must not hold up the thread that awaits it.
//!
//! A text is one statement; its parameters are `?`, or `?1`, `?2` … Rows are read in the order of their columns.

use std::borrow::Cow;
use std::fmt;

use futures_util::TryStreamExt as _;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction, TypeInfo as _, ValueRef as _};

/// Rows after which a long reading lets others have the thread.
const AT_A_TIME: u32 = 256;

/// What a query is asked of.
pub(crate) enum Connection {
    /// The writer's, used on the thread that awaits.
    Here(rusqlite::Connection),
    /// A reader's, which sees one moment.
    Elsewhere(Transaction<'static, Sqlite>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Error {
    Here(rusqlite::Error),
    Elsewhere(sqlx::Error),
    /// A row is not what was expected: a defect.
    Shape(&'static str),
}

impl Error {
    /// SQLite's own code, an extended one where there is one.
    pub(crate) fn code(&self) -> Option<u32> {
        match self {
            Error::Here(error) => error.sqlite_error().map(|error| error.extended_code as u32),
            Error::Elsewhere(sqlx::Error::Database(error)) => error.code()?.parse().ok(),
            Error::Elsewhere(_) | Error::Shape(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Here(error) => error.fmt(f),
            Error::Elsewhere(error) => error.fmt(f),
            Error::Shape(what) => write!(f, "a row is not as expected: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Error::Here(error)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Error::Elsewhere(error)
    }
}

/// A parameter, or what a column holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'q> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'q, str>),
    Blob(Cow<'q, [u8]>),
}

macro_rules! values {
    ($($type:ty => |$value:ident| $made:expr;)*) => {
        $(impl<'q> From<$type> for Value<'q> {
            fn from($value: $type) -> Self {
                $made
            }
        })*
    };
}

values! {
    i64 => |value| Value::Integer(value);
    bool => |value| Value::Integer(value.into());
    f64 => |value| Value::Real(value);
    String => |value| Value::Text(value.into());
    &'q str => |value| Value::Text(value.into());
    &'q String => |value| Value::Text(value.as_str().into());
    &'q Vec<u8> => |value| Value::Blob(value.as_slice().into());
    &'q Option<String> => |value| value.as_deref().into();
}

impl<'q, T: Into<Value<'q>>> From<Option<T>> for Value<'q> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

/// A statement that gives no rows.
pub(crate) fn query<'q>(sql: &'static str) -> Query<'q> {
    Query { sql, values: Vec::new() }
}

/// A statement whose rows are wanted.
pub(crate) fn query_as<'q, T: FromRow>(sql: &'static str) -> QueryAs<'q, T> {
    QueryAs { query: query(sql), _rows: std::marker::PhantomData }
}

#[derive(Debug)]
pub(crate) struct Query<'q> {
    sql: &'static str,
    values: Vec<Value<'q>>,
}

impl<'q> Query<'q> {
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it, and says how many rows it changed.
    pub(crate) async fn execute(self, c: &mut Connection) -> Result<u64, Error> {
        self.each(c, |_| Ok(())).await
    }

    async fn each(
        self,
        c: &mut Connection,
        mut each: impl FnMut(Columns<'_>) -> Result<(), Error> + Send,
    ) -> Result<u64, Error> {
        let transaction = match c {
            Connection::Here(connection) => return here(connection, self.sql, &self.values, each),
            Connection::Elsewhere(transaction) => transaction,
        };
        let mut query = sqlx::query(self.sql);
        for value in self.values {
            query = match value {
                Value::Null => query.bind(None::<i64>),
                Value::Integer(value) => query.bind(value),
                Value::Real(value) => query.bind(value),
                Value::Text(value) => query.bind(value.into_owned()),
                Value::Blob(value) => query.bind(value.into_owned()),
            };
        }
        let mut rows = query.fetch(&mut **transaction);
        let mut count = 0_u32;
        while let Some(row) = rows.try_next().await? {
            each(Columns { next: 0, row: Row::Elsewhere(&row) })?;
            count = count.wrapping_add(1);
            if count.is_multiple_of(AT_A_TIME) {
                // A report of a million rows must not hold up the sockets of this thread.
                tokio::task::yield_now().await;
            }
        }
        Ok(0)
    }
}

fn here(
    connection: &rusqlite::Connection,
    sql: &str,
    values: &[Value<'_>],
    mut each: impl FnMut(Columns<'_>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    for (place, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, value)?;
    }
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        each(Columns { next: 0, row: Row::Here(row) })?;
    }
    Ok(connection.changes())
}

pub(crate) struct QueryAs<'q, T> {
    query: Query<'q>,
    _rows: std::marker::PhantomData<fn() -> T>,
}

impl<'q, T: FromRow + Send> QueryAs<'q, T> {
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.query = self.query.bind(value);
        self
    }

    pub(crate) async fn fetch_all(self, c: &mut Connection) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        self.fetch_each(c, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// The first row, if there is one.
    pub(crate) async fn fetch_optional(self, c: &mut Connection) -> Result<Option<T>, Error> {
        Ok(self.fetch_all(c).await?.into_iter().next())
    }

    pub(crate) async fn fetch_one(self, c: &mut Connection) -> Result<T, Error> {
        self.fetch_optional(c).await?.ok_or(Error::Shape("there is none"))
    }

    /// Hands over row after row, without keeping them.
    pub(crate) async fn fetch_each(
        self,
        c: &mut Connection,
        mut each: impl FnMut(T) + Send,
    ) -> Result<(), Error> {
        let read = |mut columns: Columns<'_>| {
            each(T::from_row(&mut columns)?);
            Ok(())
        };
        self.query.each(c, read).await.map(drop)
    }
}

enum Row<'r> {
    Here(&'r rusqlite::Row<'r>),
    Elsewhere(&'r SqliteRow),
}

/// A row, column after column.
pub(crate) struct Columns<'r> {
    next: usize,
    row: Row<'r>,
}

impl Columns<'_> {
    pub(crate) fn next<T: FromValue>(&mut self) -> Result<T, Error> {
        let place = self.next;
        self.next += 1;
        let value = match &self.row {
            Row::Here(row) => match row.get_ref(place)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(value) => Value::Integer(value),
                ValueRef::Real(value) => Value::Real(value),
                ValueRef::Text(text) => Value::Text(
                    String::from_utf8(text.to_vec()).map_err(|_| Error::Shape("no UTF-8"))?.into(),
                ),
                ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec().into()),
            },
            Row::Elsewhere(row) => {
                let raw = row.try_get_raw(place)?;
                match raw.type_info().name() {
                    _ if raw.is_null() => Value::Null,
                    "INTEGER" => Value::Integer(row.try_get(place)?),
                    "REAL" => Value::Real(row.try_get(place)?),
                    "TEXT" => Value::Text(row.try_get::<String, _>(place)?.into()),
                    _ => Value::Blob(row.try_get::<Vec<u8>, _>(place)?.into()),
                }
            }
        };
        T::from_value(value)
    }
}

/// What a column's value becomes.
pub(crate) trait FromValue: Sized {
    fn from_value(value: Value<'_>) -> Result<Self, Error>;
}

macro_rules! from_value {
    ($($type:ty, $name:literal: $($value:pat => $made:expr),+;)*) => {
        $(impl FromValue for $type {
            fn from_value(value: Value<'_>) -> Result<Self, Error> {
                match value {
                    $($value => Ok($made),)+
                    _ => Err(Error::Shape(concat!("a column holds no ", $name))),
                }
            }
        })*
    };
}

from_value! {
    i64, "integer": Value::Integer(value) => value;
    bool, "truth value": Value::Integer(value) => value != 0;
    f64, "number": Value::Real(value) => value, Value::Integer(value) => value as f64;
    String, "text": Value::Text(value) => value.into_owned();
    Vec<u8>, "bytes": Value::Blob(value) => value.into_owned();
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value<'_>) -> Result<Self, Error> {
        if value == Value::Null { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

/// What a row becomes.
pub(crate) trait FromRow: Sized {
    fn from_row(columns: &mut Columns<'_>) -> Result<Self, Error>;
}

macro_rules! tuples {
    ($(($($name:ident),+))*) => {
        $(impl<$($name: FromValue),+> FromRow for ($($name,)+) {
            fn from_row(columns: &mut Columns<'_>) -> Result<Self, Error> {
                Ok(($(columns.next::<$name>()?,)+))
            }
        })*
    };
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) (A, B, C, D, E, F, G) }

/// A struct whose members are the columns, in this order.
macro_rules! row {
    ($type:ident { $($member:ident),+ $(,)? }) => {
        impl $crate::store::sql::FromRow for $type {
            fn from_row(
                columns: &mut $crate::store::sql::Columns<'_>,
            ) -> Result<Self, $crate::store::sql::Error> {
                Ok($type { $($member: columns.next()?),+ })
            }
        }
    };
}
pub(crate) use row;

impl Connection {
    /// Statements without parameters, one after the other. They are the writer's affair.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), Error> {
        match self {
            Connection::Here(connection) => Ok(connection.execute_batch(sql)?),
            Connection::Elsewhere(_) => Err(Error::Shape("a reader changes nothing")),
        }
    }

    /// One statement without parameters, made ready once.
    pub(crate) fn run(&mut self, sql: &'static str) -> Result<(), Error> {
        match self {
            Connection::Here(connection) => here(connection, sql, &[], |_| Ok(())).map(drop),
            Connection::Elsewhere(_) => Err(Error::Shape("a reader changes nothing")),
        }
    }

    pub(crate) fn close(self) {
        if let Connection::Here(connection) = self
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Connection::Here(_) => "Connection::Here",
            Connection::Elsewhere(_) => "Connection::Elsewhere",
        })
    }
}
