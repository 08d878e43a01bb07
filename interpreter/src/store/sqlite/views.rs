//! Views that show the data as of the newest durable batch: the tables with the journal laid over them.
//!
//! A record type `Person` has a view `Person` with the columns `_ref`, `_space`, `_id` and one for each cell, collections as JSON; each
//! collection cell has a view `Person.members` of its own, with `_ref` and a row an element. A name that differs from another only in case
//! gets its id behind it.

use std::collections::HashSet;

use rusqlite::Connection;

use crate::store::format::schema::{Kind, Shape, StoredCell, StoredSchema, StoredType, quoted};

/// The effects in the journal, a row each, in order (`at`).
const TAIL: &str = "CREATE VIEW _tail AS SELECT j.batch * 4294967296 + e.key AS at, e.value ->> 0 AS op, e.value ->> 1 AS what, \
     e.value ->> 2 AS record, e.value AS effect FROM _journal j, json_each(j.effects) e";

/// Drops all views.
pub(super) fn drop(connection: &Connection) -> rusqlite::Result<()> {
    let mut names = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'view'")?;
    let names = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    names.iter().try_for_each(|name| connection.execute_batch(&format!("DROP VIEW {}", quoted(name))))
}

/// Makes the views of a schema.
pub(super) fn create(connection: &Connection, schema: &StoredSchema) -> rusqlite::Result<()> {
    connection.execute_batch(TAIL)?;
    let mut taken: HashSet<String> = HashSet::new();
    let mut name = |name: String, id: u32| {
        let name = if taken.contains(&name.to_lowercase()) { format!("{name} {id}") } else { name };
        taken.insert(name.to_lowercase());
        name
    };
    for ty in schema.types.iter().filter(|ty| ty.present) {
        let view = name(ty.name.clone(), ty.id);
        connection.execute_batch(&record_view(ty, &view))?;
        for cell in ty.collections() {
            let view = name(format!("{view}.{}", cell.name), cell.id);
            connection.execute_batch(&collection_view(ty, cell, &view))?;
        }
    }
    Ok(())
}

/// The live records of a type as `d (_record, _space, _id)`, and what the journal says of their cells as `t (record, cells)`: an object of the
/// last effect of each cell that it changes.
fn common(ty: &StoredType, columns: &str, nulls: &str) -> String {
    format!(
        "WITH tail AS MATERIALIZED (SELECT * FROM _tail), \
         last AS (SELECT record, what, effect, max(at) FROM tail WHERE op IN ('set', 'put', 'rem', 'clr') GROUP BY record, what), \
         touched AS MATERIALIZED (SELECT record, json_group_object('c' || what, json(effect)) AS cells FROM last GROUP BY record), \
         gone AS MATERIALIZED (SELECT record FROM tail WHERE op = 'del' AND what = {id}), \
         here AS (SELECT _record, _space, _id{columns} FROM {table} \
           UNION ALL SELECT record, effect ->> 3, effect ->> 4{nulls} FROM tail WHERE op = 'new' AND what = {id})",
        id = ty.id,
        table = quoted(&ty.table()),
    )
}

fn text(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

fn record_view(ty: &StoredType, view: &str) -> String {
    let columns: String = ty.columns().map(|cell| format!(", {}", quoted(&cell.column()))).collect();
    let nulls = ", NULL".repeat(ty.columns().count());
    let mut select = String::new();
    for cell in &ty.cells {
        let key = format!("c{}", cell.id);
        let column = quoted(&cell.column());
        let value = match cell.kind {
            Kind::Column => format!("CASE WHEN t.cells -> '{key}' IS NULL THEN h.{column} ELSE t.cells -> '{key}' ->> 3 END"),
            _ => {
                let table = quoted(&cell.table(ty));
                let quick = aggregate(cell, &format!("(SELECT * FROM {table} WHERE record = h._record)"));
                let whole = aggregate(cell, &format!("({})", elements(ty, cell, "= h._record")));
                format!("CASE WHEN t.cells -> '{key}' IS NULL THEN {quick} ELSE {whole} END")
            }
        };
        select.push_str(&format!(", {value} AS {column}"));
    }
    format!(
        "CREATE VIEW {} AS {} SELECT {} || h._id || '@' || h._space AS _ref, h._space AS _space, h._id AS _id{select} \
         FROM here h LEFT JOIN touched t ON t.record = h._record WHERE h._record NOT IN (SELECT record FROM gone)",
        quoted(view),
        common(ty, &columns, &nulls),
        text(&format!("{}/", ty.name)),
    )
}

/// The elements of a collection cell, of the records whose number is as given, with the journal.
fn elements(ty: &StoredType, cell: &StoredCell, record: &str) -> String {
    let table = quoted(&cell.table(ty));
    let id = cell.id;
    let key = cell.kind.key();
    let (value, put_value) = match cell.kind {
        Kind::Set => ("", String::new()),
        _ => (", value", ", effect ->> 4 AS value".to_owned()),
    };
    format!(
        "SELECT b.record, b.{key}{value} FROM {table} b WHERE b.record {record} \
           AND NOT EXISTS (SELECT 1 FROM tail x WHERE x.what = {id} AND x.record = b.record AND x.op = 'clr') \
           AND NOT EXISTS (SELECT 1 FROM tail x WHERE x.what = {id} AND x.record = b.record AND x.op IN ('put', 'rem') AND x.effect ->> 3 = b.{key}) \
         UNION ALL SELECT p.record, p.key AS {key}{value} FROM (SELECT record, effect ->> 3 AS key{put_value}, op, max(at) AS at FROM tail \
           WHERE what = {id} AND op IN ('put', 'rem') AND record {record} GROUP BY record, effect ->> 3) p \
         WHERE p.op = 'put' AND NOT EXISTS (SELECT 1 FROM tail x WHERE x.what = {id} AND x.record = p.record AND x.op = 'clr' AND x.at > p.at)"
    )
}

/// A collection as one JSON value. Its order comes from a subquery: SQLite before 3.44 cannot read a file with an ORDER BY inside of an aggregate.
fn aggregate(cell: &StoredCell, from: &str) -> String {
    let (key, value) = (json(cell.key, "key"), json(cell.value, "value"));
    match (cell.kind, cell.key) {
        (Kind::Column | Kind::List, _) => format!("(SELECT json_group_array({value}) FROM (SELECT * FROM {from} ORDER BY position))"),
        (Kind::Set, key) => format!("(SELECT json_group_array({}) FROM (SELECT * FROM {from} ORDER BY value))", json(key, "value")),
        (Kind::Map, Shape::Text) => format!("(SELECT json_group_object(key, {value}) FROM (SELECT * FROM {from} ORDER BY key))"),
        (Kind::Map, _) => format!("(SELECT json_group_array(json_array({key}, {value})) FROM (SELECT * FROM {from} ORDER BY key))"),
    }
}

fn collection_view(ty: &StoredType, cell: &StoredCell, view: &str) -> String {
    let key = cell.kind.key();
    let value = if cell.kind == Kind::Set { "" } else { ", e.value AS value" };
    format!(
        "CREATE VIEW {} AS {} SELECT {} || h._id || '@' || h._space AS _ref, e.{key} AS {key}{value} FROM here h \
         JOIN ({}) e ON e.record = h._record WHERE h._record NOT IN (SELECT record FROM gone)",
        quoted(view),
        common(ty, "", ""),
        text(&format!("{}/", ty.name)),
        elements(ty, cell, "IS NOT NULL"),
    )
}

/// An expression that is the JSON value of a column.
fn json(shape: Shape, column: &str) -> String {
    match shape {
        Shape::Text | Shape::Plain => column.to_owned(),
        Shape::Bool => format!("iif({column} IS NULL, NULL, json(iif({column}, 'true', 'false')))"),
        Shape::Json => format!("json({column})"),
        Shape::Variant => format!("CASE WHEN {column} LIKE '{{%' THEN json({column}) ELSE {column} END"),
    }
}
