//! Views that show the tables by the names of the program.

use std::collections::HashSet;

use super::link::{Answer, Link};
use crate::store::format::schema::{Kind, Shape, StoredCell, StoredSchema, StoredType, quoted};

/// The views of the store: those that read its tables. The definitions of other schemas are not looked at: they may be dropped meanwhile,
/// which would be an error here.
const VIEWS: &str = "SELECT table_name::TEXT FROM information_schema.views \
     WHERE CASE WHEN table_schema = current_schema() THEN view_definition LIKE '%_patternc_record%' END";

/// Drops all views.
pub(super) fn drop(link: &Link) -> Answer<()> {
    for row in link.query(VIEWS, &[])? {
        link.batch(&format!("DROP VIEW IF EXISTS {}", quoted(row.get(0))))?;
    }
    Ok(())
}

/// Makes the views of a schema.
pub(super) fn create(link: &Link, schema: &StoredSchema) -> Answer<()> {
    let mut taken: HashSet<String> = HashSet::new();
    // A name of PostgreSQL has 63 bytes at most.
    let mut name = |name: String, id: u32| {
        let name =
            if taken.contains(&name) || name.len() > 63 { format!("{} {id}", name.chars().take(12).collect::<String>()) } else { name };
        taken.insert(name.clone());
        name
    };
    for ty in schema.types.iter().filter(|ty| ty.present) {
        let view = name(ty.name.clone(), ty.id);
        link.batch(&record_view(ty, &view))?;
        for cell in ty.collections() {
            let view = name(format!("{view}.{}", cell.name), cell.id);
            link.batch(&collection_view(ty, cell, &view))?;
        }
    }
    Ok(())
}

fn reference(ty: &StoredType) -> String {
    format!("'{}/' || r.id || '@' || r.space AS _ref", ty.name.replace('\'', "''"))
}

/// What a column of the tables holds: a JSON scalar, which for a value with parts is a text with its JSON.
fn scalar(column: &str) -> String {
    format!("({column}::JSONB #>> '{{}}')")
}

/// The value of a column, as PostgreSQL's own where it has such a type.
fn native(shape: Shape, layout: &str, column: &str) -> String {
    let scalar = scalar(column);
    match (shape, layout.split(';').next().unwrap_or(layout).trim_end_matches('?')) {
        (Shape::Plain, "Int") => format!("{scalar}::INT8"),
        (Shape::Plain, "Float") => format!("{scalar}::FLOAT8"),
        (Shape::Text | Shape::Plain | Shape::Variant, _) => scalar,
        (Shape::Bool, _) => format!("({scalar} = '1')"),
        (Shape::Json, _) => format!("{scalar}::JSONB"),
    }
}

/// The value of a column as JSON.
fn json(shape: Shape, column: &str) -> String {
    let scalar = scalar(column);
    match shape {
        Shape::Text | Shape::Plain => format!("{column}::JSONB"),
        Shape::Bool => format!("to_jsonb({scalar} = '1')"),
        Shape::Json => format!("{scalar}::JSONB"),
        Shape::Variant => format!("CASE WHEN {scalar} LIKE '{{%' THEN {scalar}::JSONB ELSE {column}::JSONB END"),
    }
}

fn record_view(ty: &StoredType, view: &str) -> String {
    let mut select = String::new();
    for cell in &ty.cells {
        let id = cell.id;
        let column = match cell.kind {
            Kind::Column => {
                let value = native(cell.value, &cell.layout, "c.value");
                format!("(SELECT {value} FROM _patternc_cell c WHERE c.cell = {id} AND c.n = r.n)")
            }
            Kind::List => {
                let value = json(cell.value, "c.value");
                format!("(SELECT jsonb_agg({value} ORDER BY c.position) FROM _patternc_item c WHERE c.cell = {id} AND c.n = r.n)")
            }
            Kind::Set => {
                let key = json(cell.key, "c.key");
                format!("(SELECT jsonb_agg({key} ORDER BY c.key) FROM _patternc_element c WHERE c.cell = {id} AND c.n = r.n)")
            }
            Kind::Map => {
                let (key, value) = (scalar("c.key"), json(cell.value, "c.value"));
                format!("(SELECT jsonb_object_agg({key}, {value}) FROM _patternc_element c WHERE c.cell = {id} AND c.n = r.n)")
            }
        };
        select.push_str(&format!(", {column} AS {}", quoted(&cell.column())));
    }
    format!(
        "CREATE VIEW {} AS SELECT {}, r.space AS _space, r.id AS _id{select} FROM _patternc_record r WHERE r.type = {} AND NOT r.deleted",
        quoted(view),
        reference(ty),
        ty.id
    )
}

fn collection_view(ty: &StoredType, cell: &StoredCell, view: &str) -> String {
    let (table, columns) = match cell.kind {
        Kind::Column | Kind::List => ("_patternc_item", format!("c.position AS position, {} AS value", scalar("c.value"))),
        Kind::Set => ("_patternc_element", format!("{} AS value", scalar("c.key"))),
        Kind::Map => ("_patternc_element", format!("{} AS key, {} AS value", scalar("c.key"), scalar("c.value"))),
    };
    format!(
        "CREATE VIEW {} AS SELECT {}, {columns} FROM _patternc_record r JOIN {table} c ON c.n = r.n WHERE c.cell = {} AND NOT r.deleted",
        quoted(view),
        reference(ty),
        cell.id
    )
}
