pub mod floe;
pub mod is;
pub mod rice;
pub mod rtc;
pub mod stun_codec;
pub mod webrtc_stun;
use crate::cases::{Case, agent_cases, codec_cases};

pub fn all(v: &mut Vec<Case>) {
    codec_cases::<is::IsCodec>(v);
    codec_cases::<rice::StunTypes>(v);
    codec_cases::<rtc::RtcCodec<false>>(v);
    codec_cases::<rtc::RtcCodec<true>>(v);
    codec_cases::<stun_codec::StunCodec>(v);
    codec_cases::<webrtc_stun::WebrtcStun>(v);
    codec_cases::<floe::FloeCodec>(v);
    agent_cases::<is::IsAgent<0>>(v);
    agent_cases::<is::IsAgent<10_000>>(v);
    agent_cases::<rice::RiceAgent>(v);
    agent_cases::<rtc::RtcAgent<false>>(v);
    agent_cases::<floe::FloeAgent<50>>(v);
    agent_cases::<floe::FloeAgent<5>>(v);
    crate::limit::cases(v);
}

/// D1 runs outside the case list: one closure per agent type.
pub fn crowds() -> Vec<(&'static str, fn(usize) -> crate::cases::CrowdResult)> {
    vec![
        ("is", crate::cases::crowd::<is::IsAgent<0>>),
        ("rice-proto", crate::cases::crowd::<rice::RiceAgent>),
        ("rtc-ice", crate::cases::crowd::<rtc::RtcAgent<false>>),
        ("floe", crate::cases::crowd::<floe::FloeAgent<50>>),
    ]
}

/// name, backend, unsupported, notes of everything registered
pub fn info() {
    use crate::traits::{Codec, IceAgent};
    macro_rules! show {
        ($t:ty as $tr:ident) => {
            println!("{} [{}]", <$t as $tr>::NAME, <$t as $tr>::BACKEND);
            for (w, r) in <$t as $tr>::UNSUPPORTED {
                println!("  {w}: cannot: {r}");
            }
            for (w, r) in <$t as $tr>::NOTES {
                println!("  {w}: {r}");
            }
        };
    }
    show!(is::IsCodec as Codec);
    show!(rice::StunTypes as Codec);
    show!(rtc::RtcCodec<false> as Codec);
    show!(rtc::RtcCodec<true> as Codec);
    show!(stun_codec::StunCodec as Codec);
    show!(webrtc_stun::WebrtcStun as Codec);
    show!(floe::FloeCodec as Codec);
    show!(is::IsAgent<0> as IceAgent);
    show!(rice::RiceAgent as IceAgent);
    show!(rtc::RtcAgent<false> as IceAgent);
    show!(floe::FloeAgent<50> as IceAgent);
}
