//! Measured values, beside those of another program where there are any.

use crate::output::Table;
use serde_json::{Value, json};

/// What another program reached.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PeerValue {
    /// Name and version.
    pub(super) program: String,
    /// In the unit of the entry.
    pub(super) value: f64,
}

/// One measured value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// What was measured, as a path.
    pub(super) name: String,
    /// `None` where the system does not tell.
    pub(super) value: Option<f64>,
    pub(super) unit: &'static str,
    pub(super) peer: Option<PeerValue>,
}

impl Entry {
    /// Ours over theirs, whatever the unit: above 1 is faster, or larger.
    fn ratio(&self) -> Option<f64> {
        Some(self.value? / self.peer.as_ref()?.value)
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name, "value": self.value, "unit": self.unit,
            "peer": self.peer.as_ref().map(|p| &p.program),
            "peer_value": self.peer.as_ref().map(|p| p.value), "ratio": self.ratio(),
        })
    }
}

/// The result object of a measurement with its settings.
pub(super) fn to_json(entries: &[Entry], settings: &Value) -> Value {
    let results: Vec<Value> = entries.iter().map(Entry::to_json).collect();
    json!({ "schema": 1, "settings": settings, "results": results })
}

/// A table; what is not known is a dash.
pub(super) fn to_text(entries: &[Entry]) -> String {
    let compared = entries.iter().any(|e| e.peer.is_some());
    let titles = ["measured", "value", "unit", "peer", "peer value", "ratio"];
    let columns = if compared { 6 } else { 3 };
    let mut table = Table::new(&titles[..columns]);
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"))
    };
    for entry in entries {
        let peer = entry.peer.as_ref();
        let mut cells = vec![
            entry.name.clone(),
            number(entry.value, 1),
            entry.unit.to_owned(),
            peer.map_or_else(|| "-".to_owned(), |p| p.program.clone()),
            number(peer.map(|p| p.value), 1),
            number(entry.ratio(), 2),
        ];
        cells.truncate(columns);
        table.row(cells);
    }
    table.render()
}

/// The middle value, or the mean of the two in the middle; of nothing there is none.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let high = *sorted.get(sorted.len() / 2)?;
    let low = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(low, high))
}

/// The largest value.
pub(super) fn best(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: Option<f64>, peer: Option<f64>) -> Entry {
        let peer = peer.map(|value| PeerValue { program: "other 1.0".into(), value });
        Entry { name: "a/b".into(), value, unit: "MiB", peer }
    }

    #[test]
    fn median_is_the_middle_in_any_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
        assert_eq!(best(&[1.0, 9.0, 2.0]), Some(9.0));
    }

    #[test]
    fn ratio_is_ours_over_theirs_or_nothing() {
        assert_eq!(entry(Some(6.0), Some(4.0)).to_json()["ratio"], 1.5);
        for lacking in [entry(Some(6.0), None), entry(None, Some(4.0))] {
            assert_eq!(lacking.to_json()["ratio"], Value::Null);
        }
    }

    #[test]
    fn table_has_columns_of_the_peer_only_with_one() {
        assert_eq!(
            to_text(&[entry(Some(6.0), None)]),
            "measured  value  unit\na/b         6.0   MiB\n"
        );
        let text = to_text(&[entry(Some(6.0), Some(4.0)), entry(None, None)]);
        let cells: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(cells[1], ["a/b", "6.0", "MiB", "other", "1.0", "4.0", "1.50"]);
        assert_eq!(cells[2], ["a/b", "-", "MiB", "-", "-", "-"]);
    }
}
