//! One component of a data stream: how its nomination stands, which pair is selected, and what keeps that in use.

use alloc::boxed::Box;

use crate::agent::freshness::Upkeep;
use crate::agent::route::Announced;
use crate::ice::consent::Consent;
use crate::ice::nomination::{Nominated, Progress};
use crate::ice::{PairId, Priority};
use crate::list::Rare;
use crate::time::Timestamp;

/// One component of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Component {
    pub(crate) nomination: Progress,
    /// The number of our last nomination, where they are numbered.
    pub(crate) nominations: Nominated,
    /// The priority that the peer's checks on the selected pair name: it stands for the peer's base.
    pub(crate) peer_priority: Option<Priority>,
    /// When the selected pair was selected.
    pub(crate) selected_at: Timestamp,
    /// The selected pair has gone with its base, and no other one is selected yet.
    pub(crate) base_lost: bool,
    /// May we go on sending on the pair that data uses?
    pub(crate) upkeep: Option<Upkeep>,
    /// As announced.
    pub(crate) selected: Option<PairId>,
    /// As announced: it is another one as soon as its bytes go out in another way.
    pub(crate) route: Option<Announced>,
    /// Invariant: nothing rather than [`Mobility::NONE`].
    mobility: Option<Box<Mobility>>,
}

/// What is known besides of a component whose nomination may move. Of most there is nothing, most of the time.
#[derive(Clone, Debug)]
pub(crate) struct Mobility {
    /// The largest nomination of the peer that we have followed.
    pub(crate) followed: Option<Nominated>,
    /// Since when an answer on the selected pair is overdue.
    pub(crate) trouble: Option<Timestamp>,
    /// When all other pairs were last looked at again, because the selected one was in trouble.
    pub(crate) reopened: Option<Timestamp>,
    /// The pair of the check list on which the peer has been heard from its base at another address, and when.
    pub(crate) relocated: Option<(PairId, Timestamp)>,
    /// The pair that the policy would move to, and since when.
    pub(crate) rival: Option<(PairId, Timestamp)>,
    /// Consent on the pairs that are kept beside the selected one.
    pub(crate) backups: Rare<Consent>,
}

impl Mobility {
    const NONE: Self = Self {
        followed: None,
        trouble: None,
        reopened: None,
        relocated: None,
        rival: None,
        backups: Rare::new(),
    };

    fn is_none(&self) -> bool {
        let Self { followed, trouble, reopened, relocated, rival, backups } = self;
        let is_calm = trouble.is_none() && reopened.is_none() && relocated.is_none() && rival.is_none();
        is_calm && followed.is_none() && backups.is_empty()
    }
}

impl Component {
    /// Forgets all that a restart ends, and hands over what kept the path in use (rfc8445-9-2).
    ///
    /// Our nominations go on counting, as a peer may; those of the peer may begin anew, as its process may have.
    pub(crate) fn begin_generation(&mut self) -> Option<Upkeep> {
        let (nominations, route, upkeep) = (self.nominations, self.route.take(), self.upkeep);
        *self = Self { nominations, route, ..Self::default() };
        upkeep
    }

    pub(crate) fn change_mobility<R>(&mut self, change: impl FnOnce(&mut Mobility) -> R) -> R {
        if let Some(mobility) = &mut self.mobility {
            let result = change(mobility);
            self.mobility.take_if(|mobility| mobility.is_none());
            return result;
        }
        let mut mobility = Mobility::NONE;
        let result = change(&mut mobility);
        self.mobility = (!mobility.is_none()).then(|| Box::new(mobility));
        result
    }

    pub(crate) fn mobility(&self) -> &Mobility {
        static NONE: Mobility = Mobility::NONE;
        self.mobility.as_deref().unwrap_or(&NONE)
    }

    /// Whether pairs that work are checked again: the selected one does not answer, or the peer was heard from elsewhere.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.mobility().trouble.is_some() || self.mobility().relocated.is_some()
    }

    pub(crate) fn backups(&self) -> &[Consent] {
        &self.mobility().backups
    }

    pub(crate) fn backups_mut(&mut self) -> &mut [Consent] {
        self.mobility.as_mut().map_or(&mut [], |mobility| &mut mobility.backups)
    }
}
