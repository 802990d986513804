//! `read_spreadsheet`: the rows of a CSV or XLSX file.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Call, Failure, OUTPUT_BYTES, Outcome, Tool, schema};
use crate::{
    documents::{RowWindow, Table, read_table},
    model::ToolSpec,
};

/// How many rows a model is given at once.
const ROWS: usize = 1000;

/// How many where it does not say.
const DEFAULT_ROWS: usize = 100;

pub struct ReadSpreadsheet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    path: String,
    sheet: Option<String>,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

impl Tool for ReadSpreadsheet {
    fn specification(&self) -> ToolSpec {
        ToolSpec {
            name: "read_spreadsheet",
            description: "Reads a CSV or XLSX file of the sandbox: its columns, and rows as lists of values. Of a long one \
                          it returns a part; read on with `offset`.",
            input_schema: schema(
                json!({
                    "path": { "type": "string" },
                    "sheet": { "type": "string", "description": "The first one by default." },
                    "offset": { "type": "integer", "minimum": 0, "description": "The row to begin at; 0 by default." },
                    "limit": { "type": "integer", "minimum": 1, "maximum": ROWS, "description": "100 by default." },
                }),
                &["path"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let Input { path, sheet, offset, limit } = call.input()?;
            let limit = limit.unwrap_or(DEFAULT_ROWS).clamp(1, ROWS);
            let content = call.read_file(&path).await?;
            let table = read_table(content, sheet, RowWindow { offset, limit }).await;
            table.map(describe).map_err(|error| Failure::told(format!("`{path}`: {error}")))
        })
    }

    fn is_repeatable(&self, _: &Map<String, Value>) -> bool {
        true
    }
}

/// The table as JSON, with fewer rows where they would be too much, and how to read on.
fn describe(mut table: Table) -> String {
    loop {
        let next = table.offset + table.rows.len();
        let text = serde_json::to_string(&table).unwrap_or_default();
        if text.len() > OUTPUT_BYTES && table.rows.len() > 1 {
            table.rows.truncate(table.rows.len() / 2);
        } else if next < table.total_rows {
            return super::cut(format!("{text}\n[more: read on with the offset {next}]"), "its cells are very long");
        } else {
            return super::cut(text, "its cells are very long");
        }
    }
}
