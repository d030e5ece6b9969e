//! What can be done to an agent, as four bytes.

use floe::ice::Role;

/// One operation; numbers are places in a table, taken modulo its length.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    AddStream(u8),
    CloseStream(u8),
    RemoveComponent(u8, u8),
    AddBase(u8, u8, u8),
    RemoveBase(u8),
    EndOfBases(u8),
    AddServer(u8),
    /// One that relays.
    AddRelay(u8),
    RemoveServer(u8),
    SetServerCredentials(u8, u8),
    /// The server that relays changes its mind.
    Mood(u8, u8),
    /// An answer to a question for a connection: the last one, or one that was answered before, or one that was never asked.
    Connect(u8, u8),
    /// A connection ends.
    Disconnect(u8),
    SetRemote(u8, bool),
    Restart(u8),
    /// The peer restarts, and its description arrives.
    RestartOfPeer(u8),
    AddRemote(u8, u8, u8),
    /// The same with a name.
    AddNamed(u8, u8, u8),
    /// An answer to a question for a name, or to one that was never asked.
    Resolve(u8, u8),
    RemoveRemote(u8, u8),
    EndOfRemote(u8),
    Nominate(u8),
    TransmitError(u8),
    /// An authentic check of the peer: to a base, from a remote address; whether it nominates, in our own role, and under the
    /// credentials of the generation before.
    Check(u8, u8, u8),
    /// An authentic answer to one of the last requests.
    Answer(u8, u8),
    Pass(u16),
    /// A timeout that comes too early, too late by hours, or with a time long past.
    OddTimeout(u8),
    Close,
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 52 {
            0 => Self::AddStream(a),
            1 if b < 64 => Self::CloseStream(a),
            2 if c < 64 => Self::RemoveComponent(a, b),
            3..=7 => Self::AddBase(a, b, c),
            8 => Self::RemoveBase(a),
            9 => Self::EndOfBases(a),
            10 => Self::AddServer(a),
            11 => Self::RemoveServer(a),
            12..=14 => Self::SetRemote(a, b < 64),
            15..=19 => Self::AddRemote(a, b, c),
            20 => Self::RemoveRemote(a, b),
            21 => Self::EndOfRemote(a),
            22 => Self::Nominate(a),
            23 => Self::TransmitError(a),
            24..=27 => Self::Check(a, b, c),
            28..=33 => Self::Answer(a, b),
            34 => Self::OddTimeout(a),
            35 if a == 0 => Self::Close,
            36 if c < 128 => Self::Restart(a),
            37 if c < 64 => Self::RestartOfPeer(a),
            38 | 39 => Self::AddRelay(a),
            40 => Self::SetServerCredentials(a, b),
            41 | 42 => Self::Mood(a, b),
            43..=45 => Self::Connect(a, b),
            46 if b < 128 => Self::Disconnect(a),
            47 => Self::AddNamed(a, b, c),
            48 => Self::Resolve(a, b),
            _ => Self::Pass(u16::from_be_bytes([b, c]) % 4_000),
        }
    }
}

/// What an agent is like.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub role: Role,
    /// Nominations are left to its application.
    pub manual: bool,
    pub relay_only: bool,
    /// It moves, and so does its peer: nominations follow one another, and there may be candidates at any time.
    pub mobile: bool,
}

impl From<u8> for Setting {
    fn from(bits: u8) -> Self {
        let role = if bits & 1 == 0 { Role::Controlling } else { Role::Controlled };
        Self { role, manual: bits & 2 != 0, relay_only: bits & 12 == 12, mobile: bits & 16 != 0 }
    }
}
