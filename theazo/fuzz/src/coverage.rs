//! What an input reached: the counters that LLVM's SanitizerCoverage puts at every branch.

use std::sync::Mutex;

/// The counters of each object file that was built with the flags of the step `fuzz`: where they begin, and how many.
static COUNTERS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called by each such object file before `main`.
// SAFETY: the name and the signature are those that LLVM documents; nobody else in this program defines it.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    let range = (start as usize, stop as usize - start as usize);
    let mut counters = COUNTERS.lock().expect("nobody panics with it");
    if range.1 > 0 && !counters.contains(&range) {
        counters.push(range);
    }
}

/// Which branches were taken how often, over all inputs so far.
pub struct Coverage {
    counters: Vec<(usize, usize)>,
    /// The counters of one input. Looking at them is instrumented too, so that is done on a copy.
    copy: Vec<u8>,
    /// For each counter, which magnitudes it reached.
    seen: Vec<u8>,
}

impl Coverage {
    /// Nothing seen yet.
    pub fn new() -> Self {
        let counters = COUNTERS.lock().expect("nobody panics with it").clone();
        let count = counters.iter().map(|(_, count)| count).sum();
        Self { counters, copy: vec![0; count], seen: vec![0; count] }
    }

    /// How many counters there are; 0 if the program was built without the flags.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// How many counters were reached.
    pub fn reached(&self) -> usize {
        self.seen.iter().filter(|magnitudes| **magnitudes > 0).count()
    }

    /// Sets all counters to zero.
    pub fn reset(&mut self) {
        for &(start, count) in &self.counters {
            // SAFETY: the range is a static array of this program, which only instrumented code of this thread changes.
            unsafe { std::ptr::write_bytes(start as *mut u8, 0, count) };
        }
    }

    /// Whether the counters show something that no input before did.
    pub fn take(&mut self) -> bool {
        let mut at = 0;
        for &(start, count) in &self.counters {
            let copy = self.copy[at..at + count].as_mut_ptr();
            // SAFETY: as in `reset`; the copy has room for all counters.
            unsafe { std::ptr::copy_nonoverlapping(start as *const u8, copy, count) };
            at += count;
        }
        let mut is_new = false;
        // Most counters are zero, and eight of them are looked at as fast as one.
        for (counts, seen) in self.copy.chunks(8).zip(self.seen.chunks_mut(8)).filter(|(counts, _)| **counts != [0; 8])
        {
            for (count, seen) in counts.iter().zip(seen) {
                let magnitude = magnitude(*count);
                is_new |= *seen & magnitude != magnitude;
                *seen |= magnitude;
            }
        }
        is_new
    }
}

/// One bit for each magnitude: once, twice, three times, a few times, ... often.
fn magnitude(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..8 => 8,
        8..16 => 16,
        16..32 => 32,
        32..128 => 64,
        128.. => 128,
    }
}
