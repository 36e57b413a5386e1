//! The file that a resume reads: parameters, optimizer, SAD, flips, settings and records.

use heartbit_model::{Tensor, TensorFile};

use crate::Error;
use crate::config::TrainConfig;
use crate::flips::FlipTracker;
use crate::optim::SadState;
use crate::params::Arrays;
use crate::train::{CONFIG, Run, STATE, json, latent_weights};

impl Run<'_> {
    /// The state between two epochs.
    pub(super) fn state(&self) -> TensorFile {
        let mut file = self.checkpoint().to_file();
        let mut put = |prefix: &str, arrays: &Arrays| {
            for a in &arrays.list {
                let tensor = Tensor::new(&a.shape, a.values.clone());
                file.tensors.insert(format!("{prefix}{}", a.name), tensor);
            }
        };
        for (prefix, arrays) in self.optimizer.state() {
            put(prefix, arrays);
        }
        let (flips, previous) = self.sad_arrays();
        put("sad.flips.", &flips);
        put("sad.previous.", &previous);
        put("flipped.", &self.flips.state(&self.layer_names()));
        file.metadata.insert("config".into(), json(self.config));
        file.metadata.insert("records".into(), json(&self.records));
        file
    }

    /// Reads the state of a run with the same settings.
    pub(super) fn restore(&mut self) -> Result<(), Error> {
        let path = self.config.out.join(STATE);
        let bytes =
            std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let unusable = |reason: String| Error::unusable(&path, reason);
        let file = TensorFile::from_bytes(&bytes).map_err(|e| unusable(e.to_string()))?;
        let settings = metadata(&file, "config").map_err(unusable)?;
        self.check_same(settings)
            .map_err(|reason| Error::Run { path: self.config.out.clone(), reason })?;
        self.restore_from(&file).map_err(unusable)
    }

    /// Checks that the folder's `config.json` has the settings of this run.
    pub(super) fn check_settings(&self) -> Result<(), Error> {
        let path = self.config.out.join(CONFIG);
        let text = std::fs::read_to_string(&path)
            .map_err(|source| Error::Io { path: path.clone(), source })?;
        self.check_same(&text)
            .map_err(|reason| Error::Run { path: self.config.out.clone(), reason })
    }

    fn check_same(&self, settings: &str) -> Result<(), String> {
        let config: TrainConfig = serde_json::from_str(settings).map_err(|e| e.to_string())?;
        if self.config.same_run(&config) {
            Ok(())
        } else {
            Err("it holds a run with other settings (see its `config.json`)".into())
        }
    }

    fn restore_from(&mut self, file: &TensorFile) -> Result<(), String> {
        let records = metadata(file, "records")?;
        self.records = serde_json::from_str(records).map_err(|e| e.to_string())?;
        self.epoch = self.records.len();
        fill(&mut self.net.params, file, "")?;
        fill(&mut self.net.buffers, file, "")?;
        for (prefix, arrays) in self.optimizer.state_mut() {
            fill(arrays, file, prefix)?;
        }
        let (mut flips, mut previous) = self.sad_arrays();
        fill(&mut flips, file, "sad.flips.")?;
        fill(&mut previous, file, "sad.previous.")?;
        for ((state, flips), previous) in self.sad.iter_mut().zip(flips.list).zip(previous.list) {
            *state = SadState { flips: flips.values, previous: previous.values };
        }
        self.restore_flips(file)
    }

    fn restore_flips(&mut self, file: &TensorFile) -> Result<(), String> {
        self.flips = FlipTracker::new(latent_weights(&self.net, self.config));
        let mut flipped = self.flips.state(&self.layer_names());
        fill(&mut flipped, file, "flipped.")?;
        if self.flips.restore(&flipped) { Ok(()) } else { Err("`flipped.*` is damaged".into()) }
    }

    fn layer_names(&self) -> Vec<String> {
        self.net.binary_layers().into_iter().map(|l| l.name).collect()
    }

    /// SAD's state as arrays with the names of the weights.
    fn sad_arrays(&self) -> (Arrays, Arrays) {
        let (mut flips, mut previous) = (Arrays::default(), Arrays::default());
        for (state, layer) in self.sad.iter().zip(self.net.binary_layers()) {
            let weight = &self.net.params.list[layer.index];
            flips.push(&weight.name, &weight.shape, state.flips.clone());
            previous.push(&weight.name, &weight.shape, state.previous.clone());
        }
        (flips, previous)
    }
}

fn metadata<'f>(file: &'f TensorFile, key: &str) -> Result<&'f str, String> {
    file.metadata.get(key).map(String::as_str).ok_or(format!("metadata `{key}` is missing"))
}

/// Copies arrays of the same names and shapes from a file.
fn fill(target: &mut Arrays, source: &TensorFile, prefix: &str) -> Result<(), String> {
    for array in &mut target.list {
        let name = format!("{prefix}{}", array.name);
        let found = source.tensors.get(&name).ok_or(format!("tensor `{name}` is missing"))?;
        if found.shape != array.shape {
            return Err(format!(
                "tensor `{name}` has shape {:?}, not {:?}",
                found.shape, array.shape
            ));
        }
        if found.data.iter().any(|v| !v.is_finite()) {
            return Err(format!("tensor `{name}` holds a value that is not finite"));
        }
        array.values.clone_from(&found.data);
    }
    Ok(())
}
