//! A case: one implementation at one workload.
use std::cell::RefCell;
use std::rc::Rc;

/// Does the work so many times.
pub type Run = Box<dyn FnMut(usize)>;

/// Figures that a case reports besides time, instructions and allocations.
pub type Extra = Rc<RefCell<Vec<(&'static str, f64)>>>;

pub struct Case {
    pub workload: &'static str,
    pub implementation: &'static str,
    /// Sets it up; called just before the case is measured.
    pub make: Box<dyn Fn() -> (Run, Extra)>,
    /// One run is a whole handshake, or a minute.
    pub heavy: bool,
}

impl Case {
    /// A case that is set up already, and can be measured once.
    pub fn simple(workload: &'static str, implementation: &'static str, run: Run) -> Self {
        let run = RefCell::new(Some(run));
        let make = move || (run.borrow_mut().take().expect("made once"), Extra::default());
        Self { workload, implementation, make: Box::new(make), heavy: false }
    }
}
