//! Devices by name. Only programs pick one; the crates take what they are given.

use anyhow::{Result, bail};
use burn::tensor::Device;

/// The device of a name: `flex`, `ndarray`, `cuda`, `cuda:1`, `wgpu`. Which of them exist is decided by the features this program was
/// built with.
///
/// # Errors
///
/// An unknown name, or one whose feature is off.
pub fn device(name: &str) -> Result<Device> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => (kind, Some(index.parse::<usize>()?)),
        None => (name, None),
    };
    match kind {
        #[cfg(feature = "flex")]
        "flex" if index.is_none() => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        "ndarray" if index.is_none() => {
            #[allow(deprecated, reason = "offered because users name it; burn will drop it")]
            let device = Device::ndarray();
            Ok(device)
        }
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(index.unwrap_or(0))),
        #[cfg(feature = "wgpu-plain")]
        "wgpu" if index.is_none() => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        _ => bail!("no device {name:?} in this build; it has {}", available().join(", ")),
    }
}

/// Whether a device computes in the memory of this machine. Of integrated ones that is not known.
#[must_use]
pub fn is_host(device: &Device) -> bool {
    ["flex", "ndarray"].iter().any(|name| self::device(name).is_ok_and(|host| host == *device))
}

/// The names that this build knows.
#[must_use]
pub fn available() -> Vec<&'static str> {
    let all = [
        ("flex", cfg!(feature = "flex")),
        ("ndarray", cfg!(feature = "ndarray")),
        ("cuda", cfg!(feature = "cuda")),
        ("wgpu", cfg!(feature = "wgpu-plain")),
    ];
    all.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
}

/// The device that a program uses unless told otherwise.
#[must_use]
pub fn first() -> &'static str {
    available().into_iter().next().unwrap_or("flex")
}
