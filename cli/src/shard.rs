//! A share of the images, for runs on several machines: `--shard K/N`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Every `of`-th image, from the `number`-th one on. One of one takes all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shard {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) of: usize,
}

impl Shard {
    /// All images.
    pub(crate) const WHOLE: Self = Self { number: 1, of: 1 };

    /// How many of the first `images` it has.
    pub(crate) fn count(self, images: usize) -> usize {
        (images + self.of - self.number) / self.of
    }

    /// The number, among all images, of its image `index`.
    pub(crate) fn image(self, index: usize) -> usize {
        index * self.of + self.number - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, of) = text.split_once('/').ok_or("write K/N, for example 1/4")?;
        let parse = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
        let shard = Self { number: parse(number)?, of: parse(of)? };
        if shard.number == 0 || shard.number > shard.of {
            return Err(format!("K/N is 1/{of} to {of}/{of}"));
        }
        Ok(shard)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::Shard;

    #[test]
    fn shards_have_every_image_once() {
        for (images, of) in [(10, 3), (3, 3), (2, 5), (0, 2), (7, 1)] {
            let shards = (1..=of).map(|number| Shard { number, of });
            let mut all: Vec<usize> = shards
                .flat_map(|shard| (0..shard.count(images)).map(move |i| shard.image(i)))
                .collect();
            all.sort_unstable();
            assert_eq!(all, (0..images).collect::<Vec<_>>());
        }
    }

    #[test]
    fn shards_are_written_from_one() {
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        for text in ["", "2", "0/4", "5/4", "a/4", "1/0", "-1/2", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
