//! Training multifurcation reward models by partial supervision (Saffron paper, §4.2).
//!
//! A conversation whose every prefix has a known reward supervises the model at the tokens that really came next, and only there
//! (Eq. 5). All positions of a sequence are trained from one causal forward pass.
//!
//! ```no_run
//! use burn::tensor::Device;
//! use saffron_train::{AdamWSettings, Sample, Trainer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::flex();
//! let settings = AdamWSettings { learning_rate: 1e-4, ..AdamWSettings::default() };
//! let mut trainer = Trainer::from_dirs("models/guard".as_ref(), "models/mrm".as_ref(), settings, &device)?;
//! // Token ids, and the reward of the sequence up to each of them, from the second on.
//! let batch = [Sample::new(vec![1, 5, 9], vec![0.5, -2.0])?];
//! for _ in 0..20 {
//!     println!("{}", trainer.step(&batch)?);
//! }
//! # Ok(())
//! # }
//! ```

mod adapter;
mod error;
mod init;
pub mod labels;
mod loss;
mod sample;
mod trainer;

pub use adapter::TrainableAdapter;
pub use error::TrainError;
pub use init::Init;
pub use loss::partial_supervision;
pub use sample::{Batch, Sample};
pub use trainer::{AdamWSettings, Trainer};
