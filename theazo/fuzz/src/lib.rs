//! What runs the fuzz targets, one program each in `fuzz_targets/`.
//!
//! With nightly Rust and a C++ compiler, libFuzzer does: `cargo fuzz run sse_parser`. Without either, the loop in this
//! library does, which the step `fuzz` of `cargo xtask test` builds with the flags that make it see coverage. Both take
//! the same targets, seeds and inputs.
//!
//! Reading order: `run` (the loop), `mutate` (new inputs from old ones), `coverage` (what an input reached), `limits`
//! (what ends an input that takes too much).

#[cfg(not(fuzzing))]
mod coverage;
#[cfg(not(fuzzing))]
mod limits;
#[cfg(not(fuzzing))]
mod mutate;
mod random;
#[cfg(not(fuzzing))]
mod run;

#[cfg(fuzzing)]
pub use libfuzzer_sys;
pub use random::Random;
#[cfg(not(fuzzing))]
pub use run::main;

/// Makes a program of a function that takes bytes and panics where something is wrong with what they lead to.
#[macro_export]
macro_rules! target {
    ($check:path) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $check(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::main(env!("CARGO_BIN_NAME"), $check)
        }
    };
}
