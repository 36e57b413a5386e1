//! What computes: the CPU with fused operations, or a GPU backend of burn.
//!
//! A backend is compiled in by the cargo feature of its name. On the CPU the fused operations run;
//! the stage with real weights has none and takes burn's own operations there too.

use burn::tensor::Device;

use crate::Error;
use crate::config::Stage;
use crate::error::Problem;
use crate::model::forward::Engine;

/// Names of all devices.
pub const DEVICES: [&str; 4] = ["cpu", "cuda", "rocm", "wgpu"];

/// Returns the operations for a device.
///
/// # Errors
/// [`Error::Config`] for a device that is unknown or not compiled in.
pub fn engine(name: &str, stage: Stage) -> Result<Engine, Error> {
    match (name, stage) {
        ("cpu", Stage::Binary) => Ok(Engine::Fused),
        ("cpu", Stage::RealWeights) => Ok(Engine::Composite(Device::flex())),
        #[cfg(feature = "cuda")]
        ("cuda", _) => Ok(Engine::Composite(Device::cuda(0))),
        #[cfg(feature = "rocm")]
        ("rocm", _) => Ok(Engine::Composite(Device::rocm(0))),
        #[cfg(feature = "wgpu")]
        ("wgpu", _) => Ok(Engine::Composite(wgpu())),
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

/// The adapter that wgpu takes by default.
#[cfg(feature = "wgpu")]
fn wgpu() -> Device {
    Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)
}
