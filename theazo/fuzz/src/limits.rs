//! What ends an input that takes too much memory or time: the input is kept, and the program ends.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How much memory the whole program may hold.
const MEMORY: usize = 256 << 20;

/// How long one input may take.
const TIME: Duration = Duration::from_secs(10);

#[global_allocator]
static ALLOCATOR: Limited = Limited;

static HELD: AtomicUsize = AtomicUsize::new(0);
static IS_ENDING: AtomicBool = AtomicBool::new(false);
static INPUTS: AtomicU64 = AtomicU64::new(0);

/// The input that is being tried, and the target that tries it.
static PRESENT: Mutex<(&str, Vec<u8>)> = Mutex::new(("", Vec::new()));

/// Notes which input is tried from here on.
pub fn enter(target: &'static str, input: &[u8]) {
    let mut present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
    present.0 = target;
    present.1.clear();
    present.1.extend_from_slice(input);
    INPUTS.fetch_add(1, Ordering::Relaxed);
}

/// Ends the program when one input takes too long.
pub fn watch_time() {
    thread::spawn(|| {
        let mut last = u64::MAX;
        loop {
            thread::sleep(TIME);
            let now = INPUTS.load(Ordering::Relaxed);
            if now == last {
                end(&format!("took longer than {TIME:?}"));
            }
            last = now;
        }
    });
}

/// Keeps the present input, says what is wrong with it, and ends the program.
pub fn end(problem: &str) -> ! {
    IS_ENDING.store(true, Ordering::Relaxed);
    let (target, input) = PRESENT.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let file = format!("{}/artifacts/{target}/input", env!("CARGO_MANIFEST_DIR"));
    let kept = std::fs::create_dir_all(format!("{}/artifacts/{target}", env!("CARGO_MANIFEST_DIR")))
        .and_then(|()| std::fs::write(&file, &input));
    eprintln!("{target}: an input {problem}: b\"{}\"", input.escape_ascii());
    match kept {
        Ok(()) => eprintln!("{target}: it is in {file}; given as an argument it is tried again"),
        Err(error) => eprintln!("{target}: it cannot be kept in {file}: {error}"),
    }
    std::process::exit(1)
}

/// The system's allocator, up to a limit.
struct Limited;

impl Limited {
    fn take(&self, size: usize) {
        let held = HELD.fetch_add(size, Ordering::Relaxed) + size;
        if held > MEMORY && !IS_ENDING.swap(true, Ordering::Relaxed) {
            end(&format!("took more than {} MiB", MEMORY >> 20));
        }
    }

    fn give(&self, size: usize) {
        HELD.fetch_sub(size, Ordering::Relaxed);
    }
}

// SAFETY: every method does what the system's allocator does; counting allocates nothing.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.give(layout.size());
        // SAFETY: the pointer came from this allocator, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}
