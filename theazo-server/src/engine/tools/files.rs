//! `write_file`, `read_file` and `list_files`: the files of the agent's sandbox.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Call, Failure, OUTPUT_BYTES, Outcome, Tool, cut, schema};
use crate::model::ToolSpec;

pub struct WriteFile;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteInput {
    path: String,
    content: String,
}

impl Tool for WriteFile {
    fn specification(&self) -> ToolSpec {
        ToolSpec {
            name: "write_file",
            description: "Writes a text file in the sandbox, with the folders that it needs.",
            input_schema: schema(
                json!({ "path": { "type": "string" }, "content": { "type": "string" } }),
                &["path", "content"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let WriteInput { path, content } = call.input()?;
            let bytes = content.len();
            call.write_file(&path, content.into_bytes()).await?;
            Ok(format!("wrote {bytes} bytes to {path}"))
        })
    }

    fn is_repeatable(&self, _: &Map<String, Value>) -> bool {
        true
    }
}

pub struct ReadFile;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadInput {
    path: String,
    #[serde(default)]
    offset: usize,
}

impl Tool for ReadFile {
    fn specification(&self) -> ToolSpec {
        ToolSpec {
            name: "read_file",
            description: "Reads a text file from the sandbox. Of a long one it returns a part; read on with `offset`.",
            input_schema: schema(
                json!({
                    "path": { "type": "string" },
                    "offset": { "type": "integer", "minimum": 0, "description": "The byte to begin at; 0 by default." },
                }),
                &["path"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let ReadInput { path, offset } = call.input()?;
            part_of_text(&path, &call.read_file(&path).await?, offset).map_err(Failure::Told)
        })
    }

    fn is_repeatable(&self, _: &Map<String, Value>) -> bool {
        true
    }
}

/// The part of a text file from `offset` that a model is given at once.
fn part_of_text(path: &str, content: &[u8], offset: usize) -> Result<String, String> {
    let whole = content.len();
    let Ok(text) = std::str::from_utf8(content) else {
        return Err(format!(
            "`{path}` is not text ({whole} bytes); read a PDF with `pdf_reader`, a spreadsheet with \
             `read_spreadsheet`, and anything else with a program"
        ));
    };
    if offset > whole {
        return Err(format!("`{path}` has {whole} bytes, so there is nothing at the offset {offset}"));
    }
    let (start, end) =
        (text.floor_char_boundary(offset), text.floor_char_boundary(offset.saturating_add(OUTPUT_BYTES)));
    let part = &text[start..end];
    Ok(if start == 0 && end == whole {
        part.to_owned()
    } else if end == whole {
        format!("{part}\n[the end: bytes {start} to {end} of {whole}]")
    } else {
        format!("{part}\n[cut: bytes {start} to {end} of {whole}; read on with the offset {end}]")
    })
}

pub struct ListFiles;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListInput {
    dir: Option<String>,
}

impl Tool for ListFiles {
    fn specification(&self) -> ToolSpec {
        ToolSpec {
            name: "list_files",
            description: "Lists a folder of the sandbox, with the size of each file in bytes.",
            input_schema: schema(json!({ "dir": { "type": "string", "description": "/workspace by default." } }), &[]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let ListInput { dir } = call.input()?;
            let dir = dir.unwrap_or_else(|| "/workspace".to_owned());
            let sandbox = call.sandbox().await?;
            let entries = sandbox.list_files(dir.clone()).await.map_err(|error| call.failed(&sandbox, error))?;
            if entries.is_empty() {
                return Ok(format!("{dir} is empty"));
            }
            let lines = entries.iter().map(|entry| match entry.directory {
                true => format!("{}/", entry.name),
                false => format!("{} ({} bytes)", entry.name, entry.size),
            });
            Ok(cut(lines.collect::<Vec<_>>().join("\n"), "list its folders one by one"))
        })
    }

    fn is_repeatable(&self, _: &Map<String, Value>) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_read_part_by_part_and_no_letter_is_split() {
        let text = format!("x{}", "ä".repeat(50_000));
        let first = part_of_text("a.txt", text.as_bytes(), 0).expect("it is text");
        assert!(first.ends_with("ä\n[cut: bytes 0 to 65535 of 100001; read on with the offset 65535]"));
        let second = part_of_text("a.txt", text.as_bytes(), 65_535).expect("there is more");
        assert!(second.starts_with('ä') && second.ends_with("ä\n[the end: bytes 65535 to 100001 of 100001]"));

        assert_eq!(part_of_text("a.txt", b"whole", 0).expect("it is text"), "whole");
        assert_eq!(part_of_text("a.txt", b"", 0).expect("it is text"), "");
        assert!(part_of_text("a.txt", b"short", 6).unwrap_err().contains("has 5 bytes"));
        assert!(part_of_text("a.png", &[0x89, 0xff], 0).unwrap_err().contains("`a.png` is not text (2 bytes)"));
    }
}
