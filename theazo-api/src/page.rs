//! One page of a list.
//!
//! ```
//! use theazo_api::Page;
//!
//! let page = Page { data: vec!["1", "2"], has_more: true, cursor: "Mg".to_owned() };
//! let numbers: Page<i64> = page.clone().try_map(|text| text.parse())?;
//! assert_eq!(numbers.map(|number| number * 10).data, [10, 20]);
//! assert!(page.try_map(|text| text.parse::<bool>()).is_err());
//! # Ok::<(), std::num::ParseIntError>(())
//! ```

use serde::{Deserialize, Serialize};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items of this page.
    pub data: Vec<T>,
    /// Whether more items follow.
    #[serde(default)]
    pub has_more: bool,
    /// What to send as `cursor` to get the next page; empty when finished.
    #[serde(default)]
    pub cursor: String,
}

impl<T> Page<T> {
    /// Converts each item.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(convert).collect(), has_more: self.has_more, cursor: self.cursor }
    }

    /// Converts each item, unless one cannot be converted.
    ///
    /// # Errors
    ///
    /// The first error of a conversion.
    pub fn try_map<U, E>(self, convert: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let data = self.data.into_iter().map(convert).collect::<Result<_, _>>()?;
        Ok(Page { data, has_more: self.has_more, cursor: self.cursor })
    }
}
