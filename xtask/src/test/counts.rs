//! How many tests passed and failed, read from what each language's runner prints.

/// Passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl Counts {
    /// The sum.
    pub fn plus(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// Sums up `test result: ok. 12 passed; 0 failed; ...` of each binary.
pub fn cargo(log: &str) -> Counts {
    log.lines().filter_map(|line| line.strip_prefix("test result: ")).fold(Counts::default(), |sum, line| {
        let parts: Vec<&str> = line.split([';', '.']).collect();
        sum.plus(Counts { passed: before(&parts, " passed"), failed: before(&parts, " failed") })
    })
}

/// Reads `# pass 12` and `# fail 0` of `node --test`, which a terminal shows as `ℹ pass 12`.
pub fn node(log: &str) -> Counts {
    let after = |word: &str| {
        log.lines()
            .filter_map(|line| line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?.strip_prefix(word))
            .filter_map(|count| count.trim().parse::<u64>().ok())
            .sum()
    };
    Counts { passed: after("pass "), failed: after("fail ") + after("cancelled ") }
}

/// Reads the last line of pytest: `=== 1 failed, 12 passed, 1 error in 0.2s ===`.
pub fn pytest(log: &str) -> Counts {
    let is_summary = |line: &&str| {
        line.contains(" in ") && (line.contains(" passed") || line.contains(" failed") || line.contains(" error"))
    };
    let Some(line) = log.lines().rev().find(is_summary) else { return Counts::default() };
    let line = line.trim_matches(['=', ' ']).split(" in ").next().unwrap_or_default();
    let parts: Vec<&str> = line.split(',').collect();
    Counts {
        passed: before(&parts, " passed"),
        failed: before(&parts, " failed") + before(&parts, " error") + before(&parts, " errors"),
    }
}

/// The number before the word in the part that ends with it.
fn before(parts: &[&str], word: &str) -> u64 {
    parts.iter().filter_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_tests_are_counted_over_all_binaries() {
        let log = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                   test result: FAILED. 5 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n";
        assert_eq!(cargo(log), Counts { passed: 7, failed: 1 });
    }

    #[test]
    fn node_tests_are_counted_in_both_forms() {
        assert_eq!(node("# tests 3\n# pass 2\n# fail 1\n# cancelled 0\n"), Counts { passed: 2, failed: 1 });
        assert_eq!(node("ℹ pass 12\nℹ fail 0\nℹ cancelled 1\n"), Counts { passed: 12, failed: 1 });
    }

    #[test]
    fn python_tests_are_counted_from_the_last_line() {
        assert_eq!(pytest("===== 1 failed, 12 passed, 2 errors in 0.21s =====\n"), Counts { passed: 12, failed: 3 });
        assert_eq!(pytest(".....\n5 passed in 1.02s\n"), Counts { passed: 5, failed: 0 });
        assert_eq!(pytest("no tests ran in 0.01s\n"), Counts::default());
    }
}
