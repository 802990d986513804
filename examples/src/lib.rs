//! The examples are in `rust/`, `node/` and `python/`; each does the same in its language.
