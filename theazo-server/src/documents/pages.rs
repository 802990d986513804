//! Pages of text.

/// Which pages are read.
#[derive(Debug, Clone, Copy)]
pub struct PageWindow {
    /// The first one; the first of all is 1.
    pub first: usize,
    /// After how many bytes of text no further page is begun.
    pub bytes: usize,
}

/// Pages that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// How many pages the document has.
    pub count: usize,
    /// The number of the first page that is here.
    pub first: usize,
    /// The text of each page.
    pub texts: Vec<String>,
}
