//! Seals: for every table but the history, the sum of its rows' fingerprints. SQLite has no checksums of its pages: a
//! bit that flips inside a text or a number is as good to it as what was written. A table whose rows do not add up to
//! its seal was changed by something else than this program.
//!
//! The sums are kept by triggers that exist on our connection alone, within the transaction that changes a row. So
//! nothing that writes has to know of them, and whoever reads along is not concerned.

use rusqlite::{
    Connection,
    functions::{Context, FunctionFlags},
    types::ValueRef,
};
use sha2::{Digest, Sha256};

use super::HISTORY;

/// What is not sealed besides the history: what seals, and the note in a backup.
const UNSEALED: [&str; 2] = ["seal", "backup_note"];

/// Keeps the seals of whatever this connection writes from now on; makes those that are not there.
pub(super) fn keep(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.create_scalar_function("sealed", -1, flags(), |row| turned(row, i64::wrapping_add))?;
    connection.create_scalar_function("unsealed", -1, flags(), |row| turned(row, i64::wrapping_sub))?;
    let tables = tables(connection)?;
    let transaction = connection.transaction()?;
    for table in &tables {
        if seal_of(&transaction, &table.name)?.is_none() {
            let sum = sum(&transaction, table)?;
            transaction.execute("INSERT INTO seal (name, sum) VALUES (?, ?)", (&table.name, sum))?;
        }
    }
    transaction.commit()?;
    for table in &tables {
        connection.execute_batch(&table.triggers())?;
    }
    Ok(())
}

/// Makes all seals anew: the layout has changed.
pub(super) fn renew(connection: &mut Connection) -> rusqlite::Result<()> {
    let tables = tables(connection)?;
    let transaction = connection.transaction()?;
    transaction.execute("DELETE FROM seal", [])?;
    for table in &tables {
        let sum = sum(&transaction, table)?;
        transaction.execute("INSERT INTO seal (name, sum) VALUES (?, ?)", (&table.name, sum))?;
    }
    transaction.commit()
}

/// The first table whose rows do not add up to its seal.
pub(super) fn broken(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let tables = tables(connection)?;
    for table in &tables {
        if let Some(seal) = seal_of(connection, &table.name)?
            && seal != sum(connection, table)?
        {
            return Ok(Some(table.name.clone()));
        }
    }
    let sealed: Vec<String> = connection
        .prepare("SELECT name FROM seal")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(sealed.into_iter().find(|name| tables.iter().all(|table| table.name != *name)))
}

fn flags() -> FunctionFlags {
    FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC
}

/// The first argument, turned by the fingerprint of the rest.
fn turned(row: &Context<'_>, turn: fn(i64, i64) -> i64) -> rusqlite::Result<i64> {
    let values = (1..row.len()).map(|at| row.get_raw(at));
    Ok(turn(row.get(0)?, fingerprint(values)))
}

fn fingerprint<'v>(values: impl Iterator<Item = ValueRef<'v>>) -> i64 {
    let mut digest = Sha256::new();
    for value in values {
        let (kind, bytes): (u8, &[u8]) = match &value {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(number) => (1, &number.to_be_bytes()),
            ValueRef::Real(number) => (2, &number.to_bits().to_be_bytes()),
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(blob) => (4, blob),
        };
        digest.update([kind]);
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    }
    let digest = digest.finalize();
    i64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 has 32 bytes"))
}

fn seal_of(connection: &Connection, table: &str) -> rusqlite::Result<Option<i64>> {
    use rusqlite::OptionalExtension;
    connection.query_row("SELECT sum FROM seal WHERE name = ?", [table], |row| row.get(0)).optional()
}

fn sum(connection: &Connection, table: &Table) -> rusqlite::Result<i64> {
    let mut all =
        connection.prepare(&format!("SELECT {} FROM {}", table.columns.join(", "), table.quoted()))?;
    let mut rows = all.query([])?;
    let mut sum = 0_i64;
    while let Some(row) = rows.next()? {
        let values: Vec<ValueRef<'_>> =
            (0..table.columns.len()).map(|at| row.get_ref(at)).collect::<rusqlite::Result<_>>()?;
        sum = sum.wrapping_add(fingerprint(values.into_iter()));
    }
    Ok(sum)
}

/// A table that is sealed.
struct Table {
    name: String,
    /// Its columns, quoted.
    columns: Vec<String>,
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    let names: Vec<String> = connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let sealed = names.into_iter().filter(|name| {
        !UNSEALED.contains(&name.as_str()) && HISTORY.iter().all(|(history, _)| history != name)
    });
    let table = |name: String| {
        let columns = connection
            .prepare("SELECT name FROM pragma_table_info(?)")?
            .query_map([&name], |row| row.get::<_, String>(0).map(|column| quoted(&column)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Table { name, columns })
    };
    sealed.map(table).collect()
}

impl Table {
    fn quoted(&self) -> String {
        quoted(&self.name)
    }

    fn row(&self, of: &str) -> String {
        self.columns.iter().map(|column| format!("{of}.{column}")).collect::<Vec<_>>().join(", ")
    }

    fn triggers(&self) -> String {
        let Self { name, .. } = self;
        let (table, old, new) = (self.quoted(), self.row("old"), self.row("new"));
        let literal = format!("'{}'", name.replace('\'', "''"));
        let trigger = |word: &str, sum: &str| {
            format!(
                "CREATE TEMP TRIGGER {} AFTER {word} ON main.{table} BEGIN UPDATE seal SET sum = {sum} WHERE name = {literal}; END;",
                quoted(&format!("seal {word} {name}")),
            )
        };
        [
            trigger("INSERT", &format!("sealed(sum, {new})")),
            trigger("DELETE", &format!("unsealed(sum, {old})")),
            trigger("UPDATE", &format!("sealed(unsealed(sum, {old}), {new})")),
        ]
        .concat()
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE seal (name TEXT PRIMARY KEY, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
                 CREATE TABLE \"a 'b\" (k INTEGER PRIMARY KEY, v, \"w x\");
                 CREATE TABLE outcome (v);
                 INSERT INTO \"a 'b\" VALUES (1, 'before', NULL);",
            )
            .unwrap();
        keep(&mut connection).unwrap();
        connection
    }

    #[test]
    fn whatever_we_write_adds_up() {
        let connection = sealed();
        connection
            .execute_batch(
                "INSERT INTO \"a 'b\" VALUES (2, 'two', x'00ff'), (3, 3.5, 'x');
                 UPDATE \"a 'b\" SET v = 'other' WHERE k > 1;
                 INSERT INTO \"a 'b\" VALUES (2, 'again', 1) ON CONFLICT (k) DO UPDATE SET v = excluded.v;
                 DELETE FROM \"a 'b\" WHERE k = 1;
                 INSERT INTO outcome VALUES (1);",
            )
            .unwrap();
        assert_eq!(broken(&connection).unwrap(), None);
    }

    #[test]
    fn what_something_else_has_changed_is_seen() {
        let harms = [
            "UPDATE \"a 'b\" SET v = 'befora'",
            "DELETE FROM \"a 'b\"",
            "INSERT INTO \"a 'b\" VALUES (9, 9, 9)",
            "UPDATE seal SET sum = sum + 1",
        ];
        for harm in harms {
            let connection = sealed();
            for trigger in ["INSERT", "DELETE", "UPDATE"] {
                connection
                    .execute_batch(&format!("DROP TRIGGER {}", quoted(&format!("seal {trigger} a 'b"))))
                    .unwrap();
            }
            connection.execute_batch(harm).unwrap();
            assert_eq!(broken(&connection).unwrap(), Some("a 'b".to_owned()), "{harm}");
        }
    }
}
