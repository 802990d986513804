//! PDF files: the text of their pages, in the order in which it is written.

use std::collections::BTreeMap;

use lopdf::{Document, Encoding, LoadOptions, Object, ObjectId, content::Content};

use super::{DocumentError, MAX_UNPACKED_BYTES, PageWindow, Pages};

/// What one page, or one font of it, may unpack to.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// A distance within a word or between two, in thousandths of the size of the letters.
const WORD_GAP: f32 = 180.0;

pub(super) fn read(bytes: &[u8], window: PageWindow) -> Result<Pages, DocumentError> {
    let options = LoadOptions { max_decompressed_size: Some(MAX_UNPACKED_BYTES), ..LoadOptions::default() };
    let document = Document::load_mem_with_options(bytes, options).map_err(|error| match error {
        lopdf::Error::InvalidPassword | lopdf::Error::Decryption(_) => DocumentError::Encrypted,
        error => DocumentError::broken(error),
    })?;
    if document.is_encrypted() {
        return Err(DocumentError::Encrypted);
    }
    let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
    if window.first == 0 || window.first > pages.len() {
        return Err(DocumentError::NoPage { first: window.first, count: pages.len() });
    }
    let mut texts: Vec<String> = Vec::new();
    for page in &pages[window.first - 1..] {
        if texts.iter().map(String::len).sum::<usize>() >= window.bytes {
            break;
        }
        texts.push(text_of(&document, *page)?);
    }
    Ok(Pages { count: pages.len(), first: window.first, texts })
}

fn text_of(document: &Document, page: ObjectId) -> Result<String, DocumentError> {
    let fonts = document.get_page_fonts(page).unwrap_or_default();
    let encodings: BTreeMap<Vec<u8>, Encoding<'_>> = fonts
        .into_iter()
        .filter_map(|(name, font)| Some((name, font.get_font_encoding_with_limit(document, MAX_PAGE_BYTES).ok()?)))
        .collect();
    let content = document.get_page_content_with_limit(page, MAX_PAGE_BYTES).map_err(DocumentError::broken)?;
    let content = Content::decode(&content).map_err(DocumentError::broken)?;
    let mut writer = Writer::default();
    for operation in &content.operations {
        writer.apply(&operation.operator, &operation.operands, &encodings);
    }
    Ok(writer.text.trim_end().to_owned())
}

/// Follows the operations of a page that show text and move to where the next is shown.
#[derive(Default)]
struct Writer<'a> {
    text: String,
    encoding: Option<&'a Encoding<'a>>,
    /// The height of the line, as far as it is known.
    height: f32,
    leading: f32,
}

impl<'a> Writer<'a> {
    fn apply(&mut self, operator: &str, operands: &[Object], encodings: &'a BTreeMap<Vec<u8>, Encoding<'a>>) {
        let number = |index: usize| operands.get(index).and_then(|operand| operand.as_float().ok()).unwrap_or_default();
        match operator {
            "Tf" => {
                let name = operands.first().and_then(|name| name.as_name().ok());
                self.encoding = name.and_then(|name| encodings.get(name));
            }
            "TL" => self.leading = number(0),
            "Td" => self.move_by(number(1)),
            "TD" => {
                self.leading = -number(1);
                self.move_by(number(1));
            }
            "Tm" => self.move_to(number(5)),
            "T*" => self.move_by(-self.leading),
            "'" => {
                self.move_by(-self.leading);
                self.show(operands);
            }
            "\"" => {
                self.move_by(-self.leading);
                self.show(operands.get(2..).unwrap_or_default());
            }
            "Tj" | "TJ" => self.show(operands),
            "ET" => self.line(),
            _ => {}
        }
    }

    fn move_by(&mut self, height: f32) {
        self.move_to(self.height + height);
    }

    /// On the same line there is a gap, on another one a new line.
    fn move_to(&mut self, height: f32) {
        if (height - self.height).abs() > 1.0 {
            self.line()
        } else {
            self.gap()
        }
        self.height = height;
    }

    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(char::is_whitespace) {
            self.text.push(' ');
        }
    }

    fn show(&mut self, operands: &[Object]) {
        for operand in operands {
            match operand {
                Object::String(bytes, _) => {
                    let shown = self.encoding.and_then(|encoding| Document::decode_text(encoding, bytes).ok());
                    self.text.push_str(&shown.unwrap_or_default().replace('\0', ""));
                }
                Object::Array(parts) => self.show(parts),
                Object::Integer(_) | Object::Real(_) if operand.as_float().is_ok_and(|gap| gap < -WORD_GAP) => {
                    self.gap();
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lopdf::{Stream, dictionary};

    use super::*;

    /// A document with these pages, each the operations that draw it.
    fn document(pages: &[&str]) -> Vec<u8> {
        let mut document = Document::with_version("1.5");
        let tree = document.new_object_id();
        let font = document.add_object(dictionary! {
            "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
        });
        let resources = document.add_object(dictionary! { "Font" => dictionary! { "F1" => font } });
        let kids: Vec<Object> = pages
            .iter()
            .map(|content| {
                let content = document.add_object(Stream::new(dictionary! {}, content.as_bytes().to_vec()));
                let page = dictionary! { "Type" => "Page", "Parent" => tree, "Contents" => content };
                document.add_object(page).into()
            })
            .collect();
        let count = i64::try_from(kids.len()).expect("it is small");
        let pages = dictionary! {
            "Type" => "Pages", "Kids" => kids, "Count" => count, "Resources" => resources,
            "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
        };
        document.objects.insert(tree, Object::Dictionary(pages));
        let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
        document.trailer.set("Root", catalog);
        document.compress();
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).expect("it is written");
        bytes
    }

    const ALL: PageWindow = PageWindow { first: 1, bytes: usize::MAX };

    #[test]
    fn lines_and_words_are_apart_as_they_are_on_the_page() {
        let bytes = document(&[
            "BT /F1 12 Tf 50 800 Td (Quarterly) Tj 80 0 Td (report) Tj 0 -14 Td [(Rev) 20 (enue) -300 (grew)] TJ ET",
            "BT /F1 12 Tf 14 TL 1 0 0 1 50 800 Tm (caf\\351) Tj T* (next) Tj (after) ' ET",
        ]);

        let pages = read(&bytes, ALL).expect("it is a PDF");

        assert_eq!(pages.count, 2);
        assert_eq!(pages.texts, ["Quarterly report\nRevenue grew", "café\nnext\nafter"]);
    }

    #[test]
    fn pages_are_read_until_there_is_enough_text() {
        let page = "BT /F1 12 Tf (0123456789) Tj ET";
        let bytes = document(&[page; 5]);
        let read = |first, bytes_wanted| read(&bytes, PageWindow { first, bytes: bytes_wanted });

        assert_eq!(read(2, 15).expect("they are there").texts.len(), 2);
        assert_eq!(read(5, 15).expect("it is there").texts.len(), 1);
        assert_eq!(read(6, 15), Err(DocumentError::NoPage { first: 6, count: 5 }));
    }

    #[test]
    fn what_is_broken_is_told_and_never_panics() {
        let whole = document(&["BT /F1 12 Tf (text) Tj ET"]);
        assert!(matches!(read(b"no PDF at all", ALL), Err(DocumentError::Broken(_) | DocumentError::NoPage { .. })));
        for end in (0..whole.len()).step_by(7) {
            let _ = read(&whole[..end], ALL);
        }
        for place in (0..whole.len()).step_by(3) {
            let mut changed = whole.clone();
            changed[place] ^= 0x55;
            let _ = read(&changed, ALL);
        }
        let nested = format!("BT {} ET", "[".repeat(100_000));
        let _ = read(&document(&[&nested]), ALL);
    }
}
