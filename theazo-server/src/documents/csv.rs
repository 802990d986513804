//! CSV files, whatever separates their values.

use serde_json::Value;

use super::{
    DocumentError,
    table::{RowWindow, Table, TableBuilder},
};

/// What may separate values.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

pub(super) fn read(bytes: &[u8], window: RowWindow) -> Result<Table, DocumentError> {
    let text = decode(bytes)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator(&text))
        .from_reader(text.as_bytes());
    let mut builder = TableBuilder::new(window);
    for record in reader.records() {
        let record = record.map_err(DocumentError::broken)?;
        let value = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
        builder.add(record.iter().map(value).collect())?;
    }
    Ok(builder.build())
}

/// The text of a file: UTF-8 or UTF-16 by its mark, else UTF-8, else Latin-1, in which every file is a text.
fn decode(bytes: &[u8]) -> Result<String, DocumentError> {
    let utf16 = |read: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    let text: String = match bytes {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
            }
        }
    };
    if text.contains('\0') { Err(DocumentError::broken("it is neither XLSX nor a text")) } else { Ok(text) }
}

/// The separator that the first line has most of, outside of quotes.
fn separator(text: &str) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut is_quoted = false;
    for byte in text.bytes() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => break,
            _ if is_quoted => {}
            _ => {
                if let Some(index) = SEPARATORS.iter().position(|separator| *separator == byte) {
                    counts[index] += 1;
                }
            }
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    counts.iter().position(|count| *count == most).map_or(b',', |index| SEPARATORS[index])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(bytes: &[u8]) -> (Vec<String>, Value) {
        let table = read(bytes, RowWindow { offset: 0, limit: 10 }).expect("it is a table");
        (table.columns, json!(table.rows))
    }

    #[test]
    fn separators_quotes_and_encodings_are_understood() {
        let plain = rows(b"name,note\r\nAda,\"one, \"\"two\"\"\nthree\"\r\nBob,\r\n");
        assert_eq!(plain, (vec!["name".into(), "note".into()], json!([["Ada", "one, \"two\"\nthree"], ["Bob", null]])));
        let semicolons = rows("\u{feff}\"a,b\";c\n007;ä\n".as_bytes());
        assert_eq!(semicolons, (vec!["a,b".into(), "c".into()], json!([["007", "ä"]])));
        assert_eq!(rows(b"a\tb\n1\t2\n").1, json!([["1", "2"]]));
        assert_eq!(rows(b"caf\xe9\n1\n").0, ["café"]);
        let utf16: Vec<u8> = "\u{feff}a;b\n1;ä".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(rows(&utf16).1, json!([["1", "ä"]]));
        assert_eq!(rows(b"").0, [""; 0]);
    }

    #[test]
    fn what_is_no_text_is_no_table() {
        let refused = read(b"\x7fELF\0\0\0", RowWindow { offset: 0, limit: 10 });
        assert_eq!(refused, Err(DocumentError::broken("it is neither XLSX nor a text")));
    }
}
