//! Mutants of what is loaded: one bit of one word is another.

use crate::fields::{DESCRIPTOR, Field, HEADER, IMAGE_STEP, Memory, PARAMETER, STEP, VALUE_CLIP};
use heartbit_compiler::schedule::Compiled;
use heartbit_cosim::{LoadTarget, LoadWord};
use heartbit_ir::program::{
    DESCRIPTOR_WORDS, HEADER_WORDS, LaneMemory, LayerDescriptor, Parameter, Program,
};

/// One bit of one word that is loaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryMutant {
    /// The memory.
    pub memory: Memory,
    /// What the bit belongs to.
    pub field: &'static str,
    /// Column or lane group; 0 for the program.
    pub index: usize,
    /// The word: its address, or in a weight stream its number.
    pub address: usize,
    /// The bit of the word.
    pub bit: usize,
    /// The layer of the program whose word it is; of a step the first one that has it.
    pub layer: Option<usize>,
}

impl MemoryMutant {
    /// The bit within its field.
    pub fn bit_of_field(&self) -> usize {
        // A step and a descriptor have a `shift` each.
        let low = |fields: &[Field]| {
            let field = fields.iter().find(|field| field.0 == self.field);
            field.map_or(0, |(_, _, low, _)| *low)
        };
        self.bit
            - match self.memory {
                Memory::Program if self.layer.is_none() => low(&HEADER),
                Memory::Program if self.field == VALUE_CLIP.0 => VALUE_CLIP.2,
                Memory::Program => low(&DESCRIPTOR),
                Memory::Steps if self.field.starts_with("image.") => low(&IMAGE_STEP),
                Memory::Steps => low(&STEP),
                Memory::Parameters => low(&PARAMETER),
                Memory::Weights | Memory::WeightStream => 0,
            }
    }

    /// The program with the bit as structures, where these can hold it: all but the program memory
    /// and the steps.
    pub fn applied(&self, program: &Program) -> Option<Program> {
        let mut program = program.clone();
        match self.memory {
            Memory::Weights => {
                let word = self.address - program.depths.ring_words();
                flip(&mut program.weights[self.index], word, self.bit);
            }
            Memory::WeightStream => {
                let stream = program.weight_stream.as_mut().expect("bug: a stream");
                flip(&mut stream.columns[self.index], self.address, self.bit);
            }
            Memory::Parameters => {
                let parameter = &mut program.parameters[self.index][self.address];
                let mut limbs = parameter.encode();
                limbs[self.bit / 64] ^= 1 << (self.bit % 64);
                *parameter = Parameter::decode(limbs);
            }
            Memory::Steps => program.steps[self.index][self.address] ^= 1 << self.bit,
            Memory::Program => return None,
        }
        Some(program)
    }

    /// The words of the header and the descriptors with the bit, as the hardware reads them.
    pub fn program_words(&self, program: &Program) -> Vec<u32> {
        let mut words = program.encode();
        if self.memory == Memory::Program {
            words[self.address] ^= 1 << self.bit;
        }
        words
    }

    /// The word that the load port writes in place of the compiled one; none for streamed weights,
    /// which do not come through it.
    pub fn load_word(&self, program: &Program) -> Option<LoadWord> {
        let changed = || self.applied(program).expect("bug: not the program memory");
        let (target, limbs) = match self.memory {
            Memory::Program => {
                (LoadTarget::Program, vec![self.program_words(program)[self.address].into()])
            }
            Memory::Steps => {
                (LoadTarget::Steps, vec![changed().steps[self.index][self.address].into()])
            }
            Memory::Weights => {
                let word = self.address - program.depths.ring_words();
                (LoadTarget::Weights, changed().weights[self.index].word(word).to_vec())
            }
            Memory::Parameters => {
                let bits = program.array.parameter_bits();
                let parameter = changed().parameters[self.index][self.address];
                (LoadTarget::Parameters, parameter.encode_bits(bits).to_vec())
            }
            Memory::WeightStream => return None,
        };
        Some(LoadWord { target, index: self.index, address: self.address, limbs })
    }

    /// In words: memory, place, field.
    pub fn describe(&self, compiled: &Compiled) -> String {
        let layer = |i: usize| compiled.sequence.name(&compiled.plan, i);
        let layer = self.layer.map_or(String::new(), |i| format!(", layer `{}`", layer(i)));
        let index = match self.memory {
            Memory::Program => String::new(),
            Memory::Steps => format!(" of lane group {}", self.index),
            _ => format!(" of column {}", self.index),
        };
        let (memory, address, field) = (self.memory.name(), self.address, self.field);
        format!("{memory}{index}, word {address}, {field} bit {}{layer}", self.bit_of_field())
    }
}

fn flip(memory: &mut LaneMemory, word: usize, lane: usize) {
    let bit = memory.word(word)[lane / 64] >> (lane % 64) & 1 == 1;
    memory.set(word, lane, !bit);
}

/// Bits of one field of one memory, of which mutants are drawn.
#[derive(Clone, Debug)]
pub(crate) struct Stratum {
    memory: Memory,
    field: &'static str,
    /// Column or group, address, layer.
    words: Vec<(usize, usize, Option<usize>)>,
    low: usize,
    bits: usize,
}

impl Stratum {
    pub(crate) fn memory(&self) -> Memory {
        self.memory
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len() * self.bits
    }

    pub(crate) fn mutant(&self, number: usize) -> MemoryMutant {
        let (index, address, layer) = self.words[number / self.bits];
        let bit = self.low + number % self.bits;
        MemoryMutant { memory: self.memory, field: self.field, index, address, bit, layer }
    }
}

/// Everything that is loaded, field by field.
pub(crate) fn strata(program: &Program) -> Vec<Stratum> {
    let mut strata = Vec::new();
    let mut add = |memory,
                   (field, word, low, bits): Field,
                   words: &[(usize, usize, Option<usize>)]| {
        let words: Vec<_> = words.iter().map(|(i, address, l)| (*i, address + word, *l)).collect();
        if !words.is_empty() {
            strata.push(Stratum { memory, field, words, low, bits });
        }
    };
    for field in HEADER {
        add(Memory::Program, field, &[(0, 0, None)]);
    }
    let descriptors: Vec<_> = (0..program.layers.len())
        .map(|layer| (0, HEADER_WORDS + DESCRIPTOR_WORDS * layer, Some(layer)))
        .collect();
    let extended = program.array.extended;
    for field in DESCRIPTOR.into_iter().chain(extended.then_some(VALUE_CLIP)) {
        add(Memory::Program, field, &descriptors);
    }
    let (image, map) = steps(program);
    for field in IMAGE_STEP {
        add(Memory::Steps, field, &image);
    }
    for field in STEP {
        add(Memory::Steps, field, &map);
    }
    let lanes = program.array.lanes;
    let ring = program.depths.ring_words();
    let resident: Vec<_> = program
        .weights
        .iter()
        .enumerate()
        .flat_map(|(col, words)| {
            (0..words.len()).map(move |word| (col, ring + word, layer_of(program, ring + word)))
        })
        .collect();
    add(Memory::Weights, ("weight", 0, 0, lanes), &resident);
    let streamed: Vec<_> = program
        .weight_stream
        .iter()
        .flat_map(|stream| stream.columns.iter().enumerate())
        .flat_map(|(col, words)| (0..words.len()).map(move |word| (col, word, None)))
        .collect();
    add(Memory::WeightStream, ("weight", 0, 0, lanes), &streamed);
    let parameters: Vec<_> = program
        .parameters
        .iter()
        .enumerate()
        .flat_map(|(col, words)| {
            (0..words.len()).map(move |word| (col, word, parameter_layer(program, word)))
        })
        .collect();
    let hardware = program.array.parameter_bits();
    for field in PARAMETER.into_iter().filter(|field| field.2 < hardware) {
        add(Memory::Parameters, field, &parameters);
    }
    strata
}

/// Words that steps of the image and of maps have, in all lane groups; those of layers without a
/// convolution are steps of maps.
type Words = Vec<(usize, usize, Option<usize>)>;

fn steps(program: &Program) -> (Words, Words) {
    let (mut image, mut map) = (Vec::new(), Vec::new());
    for (group, words) in program.steps.iter().enumerate() {
        for address in 0..words.len() {
            let Some(layer) = program.layers.iter().position(|d| step_range(d).contains(&address))
            else {
                continue;
            };
            let list = if program.layers[layer].flags.source_image { &mut image } else { &mut map };
            list.push((group, address, Some(layer)));
        }
    }
    (image, map)
}

/// The steps of a layer.
pub(crate) fn step_range(layer: &LayerDescriptor) -> std::ops::Range<usize> {
    let base = usize::from(layer.step_base);
    base..base + usize::from(layer.steps)
}

/// The resident weights of a layer.
pub(crate) fn weight_range(layer: &LayerDescriptor) -> std::ops::Range<usize> {
    let base = usize::from(layer.weight_base);
    let words = usize::from(layer.steps) * usize::from(layer.col_tiles);
    if layer.flags.stream_weights { base..base } else { base..base + words }
}

/// The parameters of a layer.
pub(crate) fn parameter_range(layer: &LayerDescriptor) -> std::ops::Range<usize> {
    let base = usize::from(layer.param_base);
    base..base + usize::from(layer.col_tiles) * layer.borders.classes()
}

fn layer_of(program: &Program, address: usize) -> Option<usize> {
    program.layers.iter().position(|layer| weight_range(layer).contains(&address))
}

fn parameter_layer(program: &Program, address: usize) -> Option<usize> {
    program.layers.iter().position(|layer| parameter_range(layer).contains(&address))
}
