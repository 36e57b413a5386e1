//! The choice against trying everything.

use super::{Choice, LayerWeights, Outline, WeightPort};
use heartbit_ir::program::{ArrayConfig, Header, LayerDescriptor, MemoryDepths, PortSlots};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const COLS: usize = 8;

/// A network as networks are: maps shrink, and channels grow, layer by layer.
fn outline(rng: &mut ChaCha8Rng) -> Outline {
    let (mut tiles, mut channels) = (1 << rng.random_range(3..=7u16), rng.random_range(1..=3u16));
    let mut layers = Vec::new();
    for _ in 0..rng.random_range(4..=7) {
        if rng.random_bool(0.4) {
            (tiles, channels) = ((tiles / 4).max(1), channels * 2);
        }
        layers.push(LayerDescriptor {
            steps: channels * [1, 9, 9, 18][rng.random_range(0..4)],
            col_tiles: channels,
            row_tiles: 1,
            out_height: tiles,
            layer_gap: rng.random_range(11..=20),
            ..LayerDescriptor::default()
        });
    }
    Outline {
        array: ArrayConfig {
            rows: 4,
            cols: COLS,
            lanes: 16,
            taps: 1,
            lines: 1,
            acc_bits: 12,
            extended: false,
        },
        depths: MemoryDepths::uniform(1),
        layers,
        header: Header::decode([0, 10]),
        slots: None,
    }
}

/// The fewest cycles of any ring and any layers that are streamed.
fn exhaustive(choice: &Choice<'_>) -> Option<u64> {
    let every = |ring: usize| {
        let can = choice.longest_used(ring);
        (0..1u32 << can.len()).filter_map(move |set| {
            let mut streamed = vec![false; choice.words.len()];
            for (bit, &layer) in can.iter().enumerate() {
                streamed[layer] = set >> bit & 1 == 1;
            }
            choice.fits(ring, &streamed).then(|| choice.cycles(ring, &streamed))
        })
    };
    choice.port.ring_sizes().into_iter().filter(|&ring| ring <= choice.room).flat_map(every).min()
}

/// A random network, port and memory that does not hold all of it.
fn check(rng: &mut ChaCha8Rng, check: impl FnOnce(&Choice<'_>)) {
    let outline = outline(rng);
    let words = |d: &LayerDescriptor| usize::from(d.steps) * usize::from(d.col_tiles);
    let words: Vec<usize> = outline.layers.iter().map(words).collect();
    let all: usize = words.iter().sum();
    let own = |words: usize| LayerWeights { words, is_shared: false };
    let words: Vec<LayerWeights> = words.into_iter().map(own).collect();
    let cycles = rng.random_range(1..=6);
    let port = WeightPort {
        cols: COLS >> rng.random_range(0..=3),
        slots: PortSlots::at_rate(0, rng.random_range(1..=cycles), cycles),
        ring: None,
        room: None,
    };
    let room = rng.random_range(all / 8..all);
    let (hardware, is_thorough) = (None, true);
    let (outline, words, port) = (&outline, &words, &port);
    let unwaited = outline.cycles().total().0;
    check(&Choice { outline, unwaited, words, pass_words: 0, room, port, hardware, is_thorough });
}

#[test]
fn choice_takes_at_most_3_percent_more_cycles_than_the_best_of_all_and_mostly_none() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut fitting, mut slowed, mut best_of_all) = (0, 0, 0);
    for case in 0..40 {
        check(&mut rng, |choice| {
            let (found, best) = (choice.best(), exhaustive(choice));
            let Ok(found) = found else { return assert_eq!(best, None, "case {case}") };
            let ring = found.ring.expect("bug: it does not all fit").words;
            assert!(choice.fits(ring, &found.streamed), "case {case}");
            let cycles = choice.cycles(ring, &found.streamed);
            let best = best.expect("bug: one was found");
            assert!(
                cycles * 100 <= best * 103,
                "case {case}: {cycles} cycles, {best} are possible"
            );
            fitting += 1;
            slowed += u32::from(best > choice.cycles(ring, &vec![false; choice.words.len()]));
            best_of_all += u32::from(cycles == best);
        });
    }
    // Some of them cannot but wait for the port, so that the choice matters.
    assert!(fitting >= 30 && slowed >= 12, "{fitting} fit, {slowed} of them wait");
    assert!(best_of_all * 20 >= fitting * 19, "{best_of_all} of {fitting} are the best");
}

#[test]
fn shortage_is_what_would_have_fitted() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for case in 0..60 {
        check(&mut rng, |choice| {
            let none = Choice { room: 1, ..*choice };
            let least = none.best().expect_err("bug: a ring has two words").words;
            let (enough, short) =
                (Choice { room: least, ..*choice }, Choice { room: least - 1, ..*choice });
            assert!(enough.best().is_ok(), "case {case}: {least} words");
            assert!(short.best().is_err(), "case {case}: {least} words");
        });
    }
}
