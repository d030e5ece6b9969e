//! A trace for people: one line an entry.

use core::fmt;

use super::{Difference, Entry, Event, Trace};
use crate::stun::{AttributeType, Message, Method};

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tail(usize::MAX).fmt(f)
    }
}

/// The end of a trace, for people.
pub(in crate::sim) struct Tail<'a> {
    trace: &'a Trace,
    count: usize,
}

impl<'a> Tail<'a> {
    pub(super) const fn new(trace: &'a Trace, count: usize) -> Self {
        Self { trace, count }
    }
}

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = &self.trace.entries;
        let skipped = entries.len().saturating_sub(self.count);
        entries.iter().skip(skipped).try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut side = |sign, entry: Option<&Entry>| match entry {
            Some(entry) => writeln!(f, "{sign} {} {entry}", self.number),
            None => writeln!(f, "{sign} {} nothing, or nothing that was kept", self.number),
        };
        side('-', self.here)?;
        side('+', self.there)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.at.as_nanos();
        write!(f, "{:>6}.{:06} ", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1_000)?;
        match &self.event {
            Event::Sent { node, path, payload } => {
                write!(f, "{node} {} -> {} {}", path.local(), path.remote(), Summary(payload))
            }
            Event::Delivered { node, path, payload } => {
                write!(f, "{node} {} <- {} {}", path.local(), path.remote(), Summary(payload))
            }
            Event::Dropped { reason, source, destination, payload } => {
                write!(f, "   {source} -x {destination} {} {reason:?}", Summary(payload))
            }
            Event::Timeout { node } => write!(f, "{node} timeout"),
            Event::Command { node } => write!(f, "{node} command"),
            Event::Signal { from, to, message } => write!(f, "{from} => {to} {} bytes", message.len()),
            Event::SignalDelivered { from, to, message } => {
                write!(f, "{to} <= {from} {} bytes", message.len())
            }
            Event::Connecting { node, local, remote } => write!(f, "{node} {local} connects to {remote}"),
            Event::Connected { node, outcome: Ok(path) } => {
                write!(f, "{node} {} connected to {}", path.local(), path.remote())
            }
            Event::Connected { node, outcome: Err(error) } => write!(f, "{node} not connected: {error}"),
            Event::Accepted { node, path } => {
                write!(f, "{node} {} accepts {}", path.local(), path.remote())
            }
            Event::Written { node, path, payload } => {
                write!(f, "{node} {} => {} {}", path.local(), path.remote(), Summary(payload))
            }
            Event::Read { node, path, payload } => {
                write!(f, "{node} {} <= {} {}", path.local(), path.remote(), Summary(payload))
            }
            Event::Stalled { node, path, reason } => {
                write!(f, "{node} {} =x {} {reason:?}", path.local(), path.remote())
            }
            Event::Disconnecting { node, path } => {
                write!(f, "{node} {} closes {}", path.local(), path.remote())
            }
            Event::Disconnected { node, path, how } => {
                write!(f, "{node} {} lost {}: {how:?}", path.local(), path.remote())
            }
            Event::Resolving { node, name } => write!(f, "{node} asks for {name}"),
            Event::Resolved { node, address: Some(address) } => write!(f, "{node} is told {address}"),
            Event::Resolved { node, address: None } => write!(f, "{node} is told that there is no address"),
            Event::Addresses { node, addresses } => write!(f, "{node} now has {addresses:?}"),
            Event::Acted { action, node: Some(node) } => write!(f, "   {action} {node}"),
            Event::Acted { action, node: None } => write!(f, "   {action}"),
        }
    }
}

/// A payload in a few words.
struct Summary<'a>(&'a [u8]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(message) = Message::parse(self.0) else {
            return write!(f, "{} bytes", self.0.len());
        };
        match message.method() {
            Method::BINDING => f.write_str("Binding")?,
            Method::ALLOCATE => f.write_str("Allocate")?,
            Method::REFRESH => f.write_str("Refresh")?,
            Method::CREATE_PERMISSION => f.write_str("CreatePermission")?,
            Method::CHANNEL_BIND => f.write_str("ChannelBind")?,
            Method::SEND => f.write_str("Send")?,
            Method::DATA => f.write_str("Data")?,
            other => write!(f, "{other:?}")?,
        }
        let [first, second, third, fourth, ..] = *message.transaction_id().as_bytes();
        write!(f, " {:?} {first:02x}{second:02x}{third:02x}{fourth:02x}", message.class())?;
        if message.contains(AttributeType::USE_CANDIDATE) {
            f.write_str(" USE-CANDIDATE")?;
        }
        Ok(())
    }
}
