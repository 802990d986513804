//! A table: a header and the rows below it, of which a part is kept.

use serde::Serialize;
use serde_json::Value;

use super::DocumentError;

/// More columns than this are no table.
const MAX_COLUMNS: usize = 1024;

/// Which rows are kept, counted without the header and without empty ones.
#[derive(Debug, Clone, Copy)]
pub struct RowWindow {
    /// The first row; 0 is the one below the header.
    pub offset: usize,
    /// How many at most.
    pub limit: usize,
}

/// A part of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// The sheet, where a file can have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// All sheets of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sheets: Vec<String>,
    /// The names of the columns, each one different.
    pub columns: Vec<String>,
    /// How many rows there are below the header.
    pub total_rows: usize,
    /// The number of the first row that is here.
    pub offset: usize,
    /// The rows, in the order of the columns.
    pub rows: Vec<Vec<Value>>,
}

/// Puts a table together from the rows of a file as they come.
pub(super) struct TableBuilder {
    window: RowWindow,
    table: Option<Table>,
}

impl TableBuilder {
    pub fn new(window: RowWindow) -> Self {
        Self { window, table: None }
    }

    /// Adds a row. The first that is not empty is the header.
    pub fn add(&mut self, mut row: Vec<Value>) -> Result<(), DocumentError> {
        while row.last().is_some_and(is_empty) {
            row.pop();
        }
        if row.is_empty() {
            return Ok(());
        }
        if row.len() > MAX_COLUMNS {
            return Err(DocumentError::broken(format!("it has more than {MAX_COLUMNS} columns")));
        }
        match &mut self.table {
            None => self.table = Some(Table { columns: names(&row), ..Table::empty(self.window) }),
            Some(table) => {
                let number = table.total_rows;
                table.total_rows += 1;
                if number >= self.window.offset && table.rows.len() < self.window.limit {
                    table.rows.push(row);
                }
            }
        }
        Ok(())
    }

    /// The table, whose rows all have as many values as there are columns.
    pub fn build(self) -> Table {
        let mut table = self.table.unwrap_or_else(|| Table::empty(self.window));
        let widest = table.rows.iter().map(Vec::len).max().unwrap_or_default();
        for number in table.columns.len()..widest {
            table.columns.push(format!("column {}", number + 1));
        }
        for row in &mut table.rows {
            row.resize(table.columns.len(), Value::Null);
        }
        table
    }
}

impl Table {
    fn empty(window: RowWindow) -> Self {
        let (sheet, sheets, columns, rows) = (None, Vec::new(), Vec::new(), Vec::new());
        Self { sheet, sheets, columns, total_rows: 0, offset: window.offset, rows }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// The names of the columns. One without a name is called by its number, and one that there is already gets another.
fn names(header: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    let mut taken = std::collections::HashSet::new();
    for (index, value) in header.iter().enumerate() {
        let name = match value {
            value if is_empty(value) => format!("column {}", index + 1),
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        let mut unique = name.clone();
        let mut count = 2;
        while !taken.insert(unique.clone()) {
            unique = format!("{name} ({count})");
            count += 1;
        }
        names.push(unique);
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_row_names_the_columns_and_a_window_is_kept_of_the_others() {
        let mut builder = TableBuilder::new(RowWindow { offset: 1, limit: 2 });
        let rows = [
            json!([null, ""]),
            json!(["name", "", "name", 2025, " "]),
            json!(["a", 1]),
            json!(["b", 2, "x", "y", "z"]),
            json!([]),
            json!(["c"]),
            json!(["d"]),
        ];
        for row in rows {
            builder.add(row.as_array().unwrap().clone()).expect("it is a row");
        }

        let table = builder.build();
        assert_eq!(table.columns, ["name", "column 2", "name (2)", "2025", "column 5"]);
        assert_eq!((table.total_rows, table.offset), (4, 1));
        assert_eq!(json!(table.rows), json!([["b", 2, "x", "y", "z"], ["c", null, null, null, null]]));
    }

    #[test]
    fn more_columns_than_any_table_has_are_refused() {
        let mut builder = TableBuilder::new(RowWindow { offset: 0, limit: 1 });
        assert!(builder.add(vec![json!(1); MAX_COLUMNS + 1]).is_err());
    }
}
