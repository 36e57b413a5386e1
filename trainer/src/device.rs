//! What computes: the CPU with fused operations, or a GPU backend of burn.
//!
//! A backend is compiled in by the cargo feature of its name. On the CPU the fused operations run;
//! the stage with real weights has none and takes burn's own operations there too.
//!
//! A GPU is looked for when a run begins, because burn's devices are lazy and panic at the first
//! tensor. Nothing falls back to another device. `wgpu` may find a renderer in software, which
//! computes on the CPU; its name says so.

use burn::tensor::Device;

use crate::Error;
use crate::config::Stage;
use crate::error::Problem;
use crate::model::forward::Engine;

/// Names of all devices.
pub const DEVICES: [&str; 4] = ["cpu", "cuda", "rocm", "wgpu"];

/// A device that was found.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The operations, and where they run.
    pub engine: Engine,
    /// What a GPU calls itself; the CPU is not asked.
    pub name: Option<String>,
}

/// Finds a device.
///
/// # Errors
/// [`Error::Config`] for a device that is unknown or not compiled in, [`Error::Device`] for a
/// backend that finds none on this machine.
pub fn open(name: &str, stage: Stage) -> Result<Opened, Error> {
    match (name, stage) {
        ("cpu", Stage::Binary) => Ok(Opened { engine: Engine::Fused, name: None }),
        ("cpu", Stage::RealWeights) => {
            Ok(Opened { engine: Engine::Composite(Device::flex()), name: None })
        }
        #[cfg(feature = "cuda")]
        ("cuda", _) => first("cuda", burn::tensor::DeviceType::Cuda),
        #[cfg(feature = "rocm")]
        ("rocm", _) => first("rocm", burn::tensor::DeviceType::Rocm),
        #[cfg(feature = "wgpu")]
        ("wgpu", _) => wgpu::open(),
        _ => {
            let rule = if DEVICES.contains(&name) {
                format!("this binary was built without it: build with `--features train,{name}`")
            } else {
                format!("it is one of {}", DEVICES.join(", "))
            };
            Err(Error::config(Problem::new("device", name, rule)))
        }
    }
}

/// The first device of a backend.
#[cfg(any(feature = "cuda", feature = "rocm"))]
fn first(backend: &str, kind: burn::tensor::DeviceType) -> Result<Opened, Error> {
    let device = Device::enumerate(kind).into_iter().next();
    let device = device.ok_or_else(|| Error::Device {
        device: backend.to_owned(),
        reason: "no driver or no device was found".to_owned(),
    })?;
    let name = device.identity().map(|identity| identity.name);
    Ok(Opened { engine: Engine::Composite(device), name })
}

#[cfg(feature = "wgpu")]
mod wgpu {
    //! The adapter that wgpu takes by default; `CUBECL_WGPU_DEFAULT_DEVICE` names another.

    use std::sync::OnceLock;

    use burn::tensor::Device;
    use burn::tensor::wgpu::wgpu::{AdapterInfo, DeviceType};

    use super::Opened;
    use crate::Error;
    use crate::model::forward::Engine;

    /// A process can initialize it once only.
    static DEVICE: OnceLock<Result<(Device, String), String>> = OnceLock::new();

    pub(super) fn open() -> Result<Opened, Error> {
        let found = DEVICE.get_or_init(|| {
            let found = Device::wgpu_options().init_with_setup();
            found
                .map(|(device, setup)| (device, describe(&setup.adapter.get_info())))
                .map_err(|error| error.to_string())
        });
        match found {
            Ok((device, name)) => {
                Ok(Opened { engine: Engine::Composite(device.clone()), name: Some(name.clone()) })
            }
            Err(reason) => Err(Error::Device { device: "wgpu".to_owned(), reason: reason.clone() }),
        }
    }

    fn describe(adapter: &AdapterInfo) -> String {
        let kind = match adapter.device_type {
            DeviceType::Cpu => ", a renderer in software that computes on the CPU",
            _ => "",
        };
        format!("{} by {}{kind}", adapter.name, adapter.backend)
    }
}
