//! The wire contract under one name, the test plane's part included.

pub use theazo_api::{testing::*, *};
