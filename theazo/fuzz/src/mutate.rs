//! New inputs from old ones.

use crate::Random;

/// No input is longer.
const LONGEST: usize = 2048;

/// Makes inputs that look like those that it was given.
pub struct Mutator {
    /// The words and the gaps between them that the seeds are made of.
    tokens: Vec<Vec<u8>>,
}

impl Mutator {
    /// Learns what inputs look like.
    pub fn new(seeds: &[Vec<u8>]) -> Self {
        let mut tokens: Vec<Vec<u8>> = seeds
            .iter()
            .flat_map(|seed| seed.chunk_by(|left, right| left.is_ascii_alphanumeric() == right.is_ascii_alphanumeric()))
            .filter(|token| token.len() <= 16)
            .map(<[u8]>::to_vec)
            .collect();
        tokens.sort();
        tokens.dedup();
        Self { tokens }
    }

    /// An input that is like one of `corpus`.
    pub fn mutate(&self, random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = random.choose(corpus).cloned().unwrap_or_default();
        for _ in 0..=random.below(6) {
            self.change(random, corpus, &mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&self, random: &mut Random, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
        let at = random.below(input.len() + 1);
        let end = at + random.below((input.len() - at).min(32) + 1);
        match random.below(8) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.number() as u8,
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            4 => input.insert(at, random.number() as u8),
            5 => {
                // The head of this one and the tail of another.
                let other = random.choose(corpus).map_or(&[][..], Vec::as_slice);
                input.truncate(at);
                input.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
            _ => {
                let token = random.choose(&self.tokens).cloned().unwrap_or_default();
                // In the place of what was there as often as between.
                let end = if random.below(2) == 0 { at } else { end };
                input.splice(at..end, token);
            }
        }
    }
}
