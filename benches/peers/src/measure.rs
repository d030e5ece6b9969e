//! What is measured: time, allocations, and instructions by way of callgrind.
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Counts what is asked of the system's allocator.
pub struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);
static REQUESTED: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

/// There is one thread: a load and a store keep the cost at about a nanosecond.
#[inline(always)]
fn add(counter: &AtomicU64, more: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(more as u64), Relaxed);
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(&CALLS, 1);
        add(&REQUESTED, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        add(&FREED, layout.size());
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(&CALLS, 1);
        add(&REQUESTED, layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(&CALLS, 1);
        add(&REQUESTED, size);
        add(&FREED, layout.size());
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// The counters at one moment.
#[derive(Clone, Copy)]
pub struct Heap {
    /// Calls to alloc, alloc_zeroed and realloc.
    pub allocations: u64,
    pub bytes: u64,
    pub live: u64,
}

pub fn heap() -> Heap {
    let (bytes, freed) = (REQUESTED.load(Relaxed), FREED.load(Relaxed));
    Heap { allocations: CALLS.load(Relaxed), bytes, live: bytes.wrapping_sub(freed) }
}

/// Nanoseconds that this process has been on a processor: what a long run costs on a machine that is shared.
pub fn cpu_time() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    schedstat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds")
}

/// Nanoseconds that `work` takes.
pub fn time(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_nanos() as f64
}

/// Writes what `work` executes into a dump of callgrind that bears this name.
pub fn instructions(name: &str, work: impl FnOnce()) {
    let name = std::ffi::CString::new(name).expect("no zero byte in a name");
    request(START_INSTRUMENTATION, 0);
    request(ZERO_STATS, 0);
    work();
    request(DUMP_STATS_AT, name.as_ptr() as u64);
    request(STOP_INSTRUMENTATION, 0);
}

/// A client request of valgrind (amd64), which does nothing elsewhere.
#[inline(never)]
fn request(code: u64, argument: u64) {
    let arguments: [u64; 6] = [code, argument, 0, 0, 0, 0];
    unsafe {
        std::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") arguments.as_ptr(), inout("rdx") 0_u64 => _, options(nostack)
        );
    }
}

/// callgrind.h
const CALLGRIND: u64 = ((b'C' as u64) << 24) | ((b'T' as u64) << 16);
const ZERO_STATS: u64 = CALLGRIND + 1;
const DUMP_STATS_AT: u64 = CALLGRIND + 3;
const START_INSTRUMENTATION: u64 = CALLGRIND + 4;
const STOP_INSTRUMENTATION: u64 = CALLGRIND + 5;
