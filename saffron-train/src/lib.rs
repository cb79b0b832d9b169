//! Training reward models for a policy of one's own: a guard from labelled replies, token-level rewards from a guard, and a
//! multifurcation reward model from those rewards by partial supervision (Saffron paper, §4.2). Language models, too: fine-tuned with an
//! adapter, or trained as a whole ([`Network::full`]).
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
//!     println!("{}", trainer.step(&batch)?.loss);
//! }
//! trainer.network().save("models/mine".as_ref())?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`labels`] | token-level rewards of a corpus: computed once, stored, resumed, merged |
//! | [`objective`] | what is trained for: partial supervision, guards, next tokens, objectives of one's own |
//! | [`optim`] | AdamW's settings, schedules, clipping |
//! | [`recipe`] | whole runs as data: a labelling, the training of a guard, of a multifurcation reward model |
//! | [`run`] | epochs, validation, checkpoints, logs; runs that survive being killed |

mod adapter;
mod corpus;
mod error;
mod init;
pub mod labels;
mod network;
pub mod objective;
pub mod optim;
pub mod recipe;
pub mod run;
mod state;
mod trainer;

pub use adapter::TrainableAdapter;
pub use error::TrainError;
pub use init::Init;
pub use network::Network;
pub use objective::{Batch, Objective, PartialSupervision, Sample, unseen_tokens};
pub use optim::{AdamWSettings, Decay, Schedule};
pub use run::{RunSettings, TrainObserver, TrainRun};
pub use trainer::{Gradients, Step, Trainer};
