//! The implementations: a file for the messages of each, and one for its agent if it has one that can be measured.
mod clock;
mod floe;
mod floe_agent;
mod is;
mod is_agent;
mod rice;
mod rtc_ice;
mod rtc_stun;
mod stun_codec;
mod stun_types;
mod webrtc_stun;

use crate::cases::Case;
use crate::traits::{Codec, IceAgent};
use crate::{agents, codecs, crowd, limit};

type Remarks = &'static [(&'static str, &'static str)];

pub fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        codecs::cases::<is::IsCodec>(),
        codecs::cases::<stun_types::StunTypes>(),
        codecs::cases::<rtc_stun::RtcCodec<false>>(),
        codecs::cases::<rtc_stun::RtcCodec<true>>(),
        codecs::cases::<stun_codec::StunCodec>(),
        codecs::cases::<webrtc_stun::WebrtcStun>(),
        codecs::cases::<floe::FloeCodec>(),
        agents::cases::<is_agent::IsAgent<0>>(),
        agents::cases::<is_agent::IsAgent<10_000>>(),
        agents::cases::<rice::RiceAgent>(),
        agents::cases::<rtc_ice::RtcAgent>(),
        agents::cases::<floe_agent::FloeAgent<50>>(),
        agents::cases::<floe_agent::FloeAgent<5>>(),
    ]
    .into_iter()
    .flatten()
    .collect();
    limit::cases(&mut cases);
    cases
}

/// D1 by name: the line of a crowd of so many agents.
pub fn crowds() -> [(&'static str, fn(usize) -> String); 4] {
    [
        ("is", crowd::measure::<is_agent::IsAgent<0>>),
        ("rice-proto", crowd::measure::<rice::RiceAgent>),
        ("rtc-ice", crowd::measure::<rtc_ice::RtcAgent>),
        ("floe", crowd::measure::<floe_agent::FloeAgent<50>>),
    ]
}

/// Backends, what each cannot do, and remarks.
pub fn info() {
    of_codec::<is::IsCodec>();
    of_codec::<stun_types::StunTypes>();
    of_codec::<rtc_stun::RtcCodec<false>>();
    of_codec::<rtc_stun::RtcCodec<true>>();
    of_codec::<stun_codec::StunCodec>();
    of_codec::<webrtc_stun::WebrtcStun>();
    of_codec::<floe::FloeCodec>();
    of_agent::<is_agent::IsAgent<0>>();
    of_agent::<rice::RiceAgent>();
    of_agent::<rtc_ice::RtcAgent>();
    of_agent::<floe_agent::FloeAgent<50>>();
}

fn of_codec<C: Codec>() {
    tell(C::NAME, C::BACKEND, C::UNSUPPORTED, C::NOTES);
}

fn of_agent<A: IceAgent>() {
    tell(A::NAME, A::BACKEND, A::UNSUPPORTED, A::NOTES);
}

fn tell(name: &str, backend: &str, unsupported: Remarks, notes: Remarks) {
    println!("{name} [{backend}]");
    unsupported.iter().for_each(|(workload, reason)| println!("  {workload}: cannot: {reason}"));
    notes.iter().for_each(|(workload, remark)| println!("  {workload}: {remark}"));
}
