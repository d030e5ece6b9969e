use super::*;
use alloc::vec;

fn encoded(transport: Transport, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ChannelData::new(ChannelNumber(0x4abc), payload).unwrap().encode(transport, &mut out);
    out
}

/// Proves: rfc8656-12-1, rfc8656-12.6-4
#[test]
fn there_are_4096_channels() {
    for number in 0..=u16::MAX {
        let expected = (0x4000..0x5000).contains(&number);
        assert_eq!(ChannelNumber::new(number).map(ChannelNumber::as_u16), expected.then_some(number));
        let [n0, n1] = number.to_be_bytes();
        let parsed = ChannelData::parse(&[n0, n1, 0, 0]).map(|data| data.number().as_u16());
        assert_eq!(parsed, if expected { Ok(number) } else { Err(ChannelDataError::Number(number)) });
    }
}

/// Proves: rfc8656-12.4-1, rfc8656-12.4-2
#[test]
fn payloads_of_all_lengths_come_back() {
    let bytes = vec![7; 0xffff];
    for len in (0..=9).chain([1500, 0xfffd, 0xfffe, 0xffff]) {
        let payload = &bytes[..len];
        for transport in [Transport::Udp, Transport::Tcp] {
            let message = encoded(transport, payload);
            assert_eq!(message[..2], [0x4a, 0xbc]);
            assert_eq!(usize::from(u16::from_be_bytes([message[2], message[3]])), len);
            let read = ChannelData::parse(&message).unwrap();
            assert_eq!((read.number(), read.payload()), (ChannelNumber(0x4abc), payload));
        }
    }
    assert_eq!(ChannelData::new(ChannelNumber::MIN, &vec![0; 0x1_0000]), None);
}

/// Proves: rfc8656-12.5-1
#[test]
fn padding_is_for_streams_and_does_not_count() {
    for (payload, padding) in
        [(&b""[..], &b""[..]), (b"a", &[0; 3]), (b"ab", &[0; 2]), (b"abc", &[0]), (b"abcd", &[])]
    {
        let header = ChannelNumber(0x4abc).header(payload.len() as u16);
        assert_eq!(encoded(Transport::Udp, payload), [&header, payload].concat());
        assert_eq!(encoded(Transport::Tcp, payload), [&header, payload, padding].concat());
    }
}

/// Proves: rfc8656-12.6-1
#[test]
fn a_datagram_may_be_longer_than_its_payload_but_not_shorter() {
    let long = [&[0x40, 0, 0, 10][..], &[1; 12]].concat();
    assert_eq!(ChannelData::parse(&long).unwrap().payload(), [1; 10]);
    assert_eq!(ChannelData::parse(&long[..14]).unwrap().payload(), [1; 10]);
    let error = ChannelDataError::Length { declared: 10, actual: 9 };
    assert_eq!(ChannelData::parse(&long[..13]), Err(error));
    for len in 0..4 {
        assert_eq!(ChannelData::parse(&long[..len]), Err(ChannelDataError::Truncated));
    }
}

#[test]
fn payloads_are_not_printed() {
    let text = alloc::format!("{:?}", ChannelData::new(ChannelNumber::MIN, b"secret"));
    assert_eq!(text, "Some(ChannelData(0x4000, 6 bytes))");
}
