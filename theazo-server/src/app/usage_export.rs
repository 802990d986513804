//! Exports of usage for billing systems: each record has the identifier of its ledger entry, so that exporting twice
//! bills once.

use serde_json::{Map, Value, json};
use theazo_api::{Cost, ExportFormat, LedgerEntry, UsageExport, UsageExportOpts};

use super::{Context, usage::start_of};
use crate::error::{AppError, AppResult};

impl Context {
    /// Exports the entries of a period.
    pub fn export_usage(&self, opts: &UsageExportOpts) -> AppResult<UsageExport> {
        let entries = self.ledger_since(start_of(opts.period.as_ref(), self.app.clock.now()))?;
        let total: i64 = entries.iter().map(|entry| entry.cost.to_micro_cents()).sum();
        let mut export = UsageExport {
            format: opts.format.clone(),
            total: Cost::from_micro_cents(total),
            records: Vec::new(),
            csv: None,
        };
        match opts.format {
            ExportFormat::Csv => export.csv = Some(csv(&entries)),
            ExportFormat::Stripe => export.records = entries.iter().map(stripe_event).collect(),
            _ => {
                for entry in &entries {
                    if let Value::Object(record) = serde_json::to_value(entry).map_err(AppError::internal)? {
                        export.records.push(record);
                    }
                }
            }
        }
        Ok(export)
    }
}

/// A Stripe meter event. Its identifier is the entry's, so that Stripe counts it once however often it is sent.
fn stripe_event(entry: &LedgerEntry) -> Map<String, Value> {
    Map::from_iter([
        ("event_name".to_owned(), json!(format!("theazo_{}", entry.kind))),
        ("identifier".to_owned(), json!(entry.id)),
        ("timestamp".to_owned(), json!(entry.at.as_millis() / 1000)),
        ("payload".to_owned(), json!({ "user_id": entry.user_id, "value": entry.cost.to_micro_cents().to_string() })),
    ])
}

fn csv(entries: &[LedgerEntry]) -> String {
    let mut text = "id,at,kind,user_id,session_id,agent_id,run_id,provider,cents,micro_cents\n".to_owned();
    for entry in entries {
        let (at, kind) = (entry.at.to_string(), entry.kind.to_string());
        let (cents, exact) = (entry.cost.amount.to_string(), entry.cost.to_micro_cents().to_string());
        let cells: [&str; 10] = [
            &entry.id,
            &at,
            &kind,
            &entry.user_id,
            &entry.session_id,
            &entry.agent_id,
            &entry.run_id,
            &entry.provider,
            &cents,
            &exact,
        ];
        text.push_str(&cells.map(csv_cell).join(","));
        text.push('\n');
    }
    text
}

/// A cell of a table. A leading sign would make a spreadsheet run it as a formula, so it is quoted away.
fn csv_cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
