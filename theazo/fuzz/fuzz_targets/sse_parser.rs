//! The parser of server-sent events reads what the standard says, however the bytes are cut.

#![cfg_attr(fuzzing, no_main)]

use bytes::Bytes;
use oracle::{expected, parsed};
use parser::{BYTE_ORDER_MARK, Parser, RawEvent, TooLarge};
use theazo_fuzz::Random;

// The parser is private to the SDK; its file needs nothing else of it.
#[path = "../../src/stream/oracle.rs"]
mod oracle;
#[path = "../../src/stream/parser.rs"]
mod parser;

theazo_fuzz::target!(check);

fn check(data: &[u8]) {
    let expected = expected(data);
    assert_eq!(parsed(Parser::default(), &[data]), expected, "in one piece");
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(parsed(Parser::default(), &bytes), expected, "byte by byte");
    let mut random = Random::of(data);
    for _ in 0..4 {
        let pieces = cut(data, &mut random);
        assert_eq!(parsed(Parser::default(), &pieces), expected, "cut into {pieces:?}");
    }
    a_limit_cuts_off_and_changes_nothing(data, &expected);
    a_new_connection_goes_on_after_the_old_one(data, &mut random);
}

/// Adds the events that the data completes.
fn read(parser: &mut Parser, data: &[u8], events: &mut Vec<RawEvent>) -> Result<(), TooLarge> {
    parser.push(Bytes::copy_from_slice(data));
    while let Some(event) = parser.next()? {
        events.push(event);
    }
    Ok(())
}

/// The data in a few pieces, some of them empty.
fn cut<'a>(data: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = (0..random.below(6)).map(|_| random.below(data.len() + 1)).collect();
    cuts.extend([0, data.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &data[pair[0]..pair[1]]).collect()
}

fn a_limit_cuts_off_and_changes_nothing(data: &[u8], expected: &oracle::Reading) {
    let (mut parser, mut events) = (Parser::with_limit(16), Vec::new());
    let outcome = read(&mut parser, data, &mut events);
    // What came counts; a byte that is no UTF-8 becomes the three of its replacement.
    assert!(events.iter().all(|event| event.data.len() <= 3 * 16), "an event is larger than the limit: {events:?}");
    let given: Vec<_> =
        events.into_iter().map(|event| (event.id, String::from_utf8_lossy(&event.data).into_owned())).collect();
    match outcome {
        Ok(()) => {
            assert_eq!(given, expected.events);
            let unfinished = data.rsplit(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
            assert!(unfinished.len() <= 16, "more than the limit is kept");
        }
        Err(TooLarge) => assert!(expected.events.starts_with(&given), "{given:?} of {expected:?}"),
    }
}

fn a_new_connection_goes_on_after_the_old_one(data: &[u8], random: &mut Random) {
    let (old, new) = data.split_at(random.below(data.len() + 1));
    let mut parser = Parser::default();
    read(&mut parser, old, &mut Vec::new()).expect("no event is too large");
    // It reads what one connection would that said the old one's id first.
    let id = parser.last_event_id().unwrap_or_default();
    let rest = new.strip_prefix(BYTE_ORDER_MARK).unwrap_or(new);
    let mut expected = expected(&[b"id: ", id.as_bytes(), b"\n\n", rest].concat());
    expected.retry = expected.retry.or(parser.retry());
    assert_eq!(parsed(parser.resumed(), &[new]), expected, "after {old:?}");
}
