//! WebSockets written by hand: the head that opens one, and frames as right or wrong as a test wants them.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The bit that says that a frame is the last one of its message.
const FINAL: u8 = 0x80;

/// The head of the answer that turns a connection into a WebSocket.
pub fn head(key: &str) -> Vec<u8> {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

/// A frame that is a whole message.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(FINAL | opcode, None, payload)
}

/// A frame that more frames of its message follow.
pub fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(opcode, None, payload)
}

/// A frame as a client must send it and a server must not.
pub fn masked_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(FINAL | opcode, Some([1, 2, 3, 4]), payload)
}

/// A frame that closes with this code and reason.
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// The entry of a log as one message.
pub fn entry(id: &str) -> Vec<u8> {
    frame(TEXT, entry_json(id).as_bytes())
}

pub fn entry_json(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","timestamp":"2026-11-24T09:00:00.000Z","level":"info","source":"agent","message":"entry {id}"}}"#
    )
}

pub fn raw_frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..=125 => bytes.push(mask_bit | length as u8),
        length @ 126..=65_535 => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    match mask {
        Some(mask) => {
            bytes.extend(mask);
            bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
        None => bytes.extend(payload),
    }
    bytes
}

/// The frames that a client sent: opcode and payload without its mask.
pub fn read_frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(second & 0x80, 0x80, "what a client sends is masked");
        let (length, rest) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => panic!("a client of a log says nothing that long"),
            length => (usize::from(length), rest),
        };
        if rest.len() < 4 + length {
            break;
        }
        let payload = rest[4..4 + length].iter().zip(rest[..4].iter().cycle()).map(|(byte, mask)| byte ^ mask);
        frames.push((first & 0x0f, payload.collect()));
        bytes = &rest[4 + length..];
    }
    frames
}

/// The code of the last closing frame that a client sent.
pub fn close_code(bytes: &[u8]) -> Option<u16> {
    let frames = read_frames(bytes);
    let (_, payload) = frames.iter().rev().find(|(opcode, _)| *opcode == CLOSE)?;
    Some(u16::from_be_bytes([*payload.first()?, *payload.get(1)?]))
}
