//! XLSX files.

use std::io::{Cursor, Read};

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};
use serde_json::Value;

use super::{
    DocumentError, MAX_UNPACKED_BYTES,
    table::{RowWindow, Table, TableBuilder},
};

/// Cells beyond this column are none that a table has.
const MAX_COLUMN: u32 = 1024;

pub(super) fn read(bytes: &[u8], sheet: Option<&str>, window: RowWindow) -> Result<Table, DocumentError> {
    check_unpacked_size(bytes)?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(DocumentError::broken)?;
    let sheets = workbook.sheet_names();
    let name = match sheet {
        None => sheets.first().cloned().ok_or_else(|| DocumentError::broken("it has no sheet"))?,
        Some(name) => match sheets.iter().find(|known| known.as_str() == name) {
            Some(known) => known.clone(),
            None => return Err(DocumentError::NoSheet { name: name.to_owned(), known: sheets.join(", ") }),
        },
    };
    let mut builder = TableBuilder::new(window);
    // Cell by cell: a whole range is as large as its farthest cell says, whether there is anything in between or not.
    let mut cells = workbook.worksheet_cells_reader(&name).map_err(DocumentError::broken)?;
    let (mut number, mut row) = (0, Vec::new());
    while let Some(cell) = cells.next_cell().map_err(DocumentError::broken)? {
        let (row_number, column) = cell.get_position();
        if row_number != number {
            builder.add(std::mem::take(&mut row))?;
            number = row_number;
        }
        if column > MAX_COLUMN {
            return Err(DocumentError::broken(format!("it has a cell in column {column}")));
        }
        let column = column as usize;
        if row.len() <= column {
            row.resize(column + 1, Value::Null);
        }
        row[column] = value(cell.get_value());
    }
    builder.add(row)?;
    Ok(Table { sheet: Some(name), sheets, ..builder.build() })
}

/// Refuses a file that unpacks to more than may be. It is measured, as what the file says of itself may be wrong.
fn check_unpacked_size(bytes: &[u8]) -> Result<(), DocumentError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(DocumentError::broken)?;
    let mut room = MAX_UNPACKED_BYTES as u64;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(DocumentError::broken)?;
        let size = std::io::copy(&mut part.take(room + 1), &mut std::io::sink()).map_err(DocumentError::broken)?;
        room = room.checked_sub(size).ok_or(DocumentError::TooLarge(MAX_UNPACKED_BYTES))?;
    }
    Ok(())
}

fn value(cell: &DataRef<'_>) -> Value {
    match cell {
        DataRef::Int(number) => Value::from(*number),
        // A whole number is written as one.
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => Value::from(*number as i64),
        DataRef::Float(number) => Value::from(*number),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Value::from(text.as_str()),
        DataRef::SharedString(text) => Value::from(*text),
        DataRef::Bool(flag) => Value::from(*flag),
        DataRef::DateTime(time) => Value::from(date_time(time)),
        DataRef::Error(error) => Value::from(error.to_string()),
        DataRef::Empty => Value::Null,
    }
}

fn date_time(time: &ExcelDateTime) -> String {
    if time.is_duration() {
        let seconds = (time.as_f64() * 86_400.0).round() as i64;
        return format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    match (hour, minute, second) {
        (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    const WORKBOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>
        <sheet name="Prices" sheetId="1" r:id="rId1"/><sheet name="Notes" sheetId="2" r:id="rId2"/></sheets></workbook>"#;

    const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
        <Relationship Id="rId1" Target="worksheets/sheet1.xml"
            Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/>
        <Relationship Id="rId2" Target="worksheets/sheet2.xml"
            Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/></Relationships>"#;

    const ROOT: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
        <Relationship Id="rId1" Target="xl/workbook.xml"
            Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>"#;

    /// A workbook whose two sheets have these rows.
    fn workbook(first: &str, second: &str) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let sheet = |rows: &str| {
            format!(
                r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
            )
        };
        for (name, content) in [
            ("_rels/.rels", ROOT.to_owned()),
            ("xl/workbook.xml", WORKBOOK.to_owned()),
            ("xl/_rels/workbook.xml.rels", RELATIONS.to_owned()),
            ("xl/worksheets/sheet1.xml", sheet(first)),
            ("xl/worksheets/sheet2.xml", sheet(second)),
        ] {
            archive.start_file(name, SimpleFileOptions::default()).expect("it is begun");
            archive.write_all(content.as_bytes()).expect("it is written");
        }
        archive.finish().expect("it is written").into_inner()
    }

    const ALL: RowWindow = RowWindow { offset: 0, limit: 100 };

    #[test]
    fn a_sheet_has_rows_of_values_below_its_header() {
        let file = workbook(
            r#"<row r="1"><c r="A1" t="inlineStr"><is><t>item</t></is></c><c r="B1" t="str"><v>price</v></c></row>
               <row r="3"><c r="A3" t="inlineStr"><is><t>pen</t></is></c><c r="B3"><v>1.5</v></c></row>
               <row r="4"><c r="A4"><v>7</v></c><c r="C4" t="b"><v>1</v></c></row>"#,
            r#"<row r="1"><c r="A1"><v>1</v></c></row>"#,
        );

        let table = read(&file, None, ALL).expect("it is a table");

        assert_eq!(table.sheet.as_deref(), Some("Prices"));
        assert_eq!(table.sheets, ["Prices", "Notes"]);
        assert_eq!(table.columns, ["item", "price", "column 3"]);
        assert_eq!(json!(table.rows), json!([["pen", 1.5, null], [7, null, true]]));
        assert_eq!(read(&file, Some("Notes"), ALL).expect("it is there").columns, ["1"]);
        let missing = read(&file, Some("Totals"), ALL).expect_err("it is not there");
        assert_eq!(missing.to_string(), "there is no sheet `Totals`; there are Prices, Notes");
    }

    #[test]
    fn a_far_cell_and_a_file_that_unpacks_without_end_take_no_memory() {
        let far = workbook(r#"<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>"#, "");
        assert!(matches!(read(&far, None, ALL), Err(DocumentError::Broken(_))));
        let deep = workbook(
            r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="A1048576"><v>2</v></c></row>"#,
            "",
        );
        assert_eq!(read(&deep, None, ALL).expect("it is a table").total_rows, 1);
        let bomb = workbook(&" ".repeat(MAX_UNPACKED_BYTES), "");
        assert!(bomb.len() < super::super::MAX_BYTES, "{}", bomb.len());
        assert_eq!(read(&bomb, None, ALL), Err(DocumentError::TooLarge(MAX_UNPACKED_BYTES)));
        assert!(matches!(read(b"PK\x03\x04 and nothing", None, ALL), Err(DocumentError::Broken(_))));
    }
}
