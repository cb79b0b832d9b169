//! What a program with local models imports: the models, where they run, and what they read.
//!
//! ```
//! use saffron_mrm::prelude::*;
//! let options = ModelOptions { dtype: DType::F32, ..ModelOptions::default() };
//! assert!(options.cache_bytes > 0);
//! ```

pub use saffron_core::{ModelName, TextPolicy};

pub use crate::base::Base;
pub use crate::engine::ModelOptions;
pub use crate::error::LoadError;
pub use crate::guard::{GuardRewardModel, GuardTemplate};
pub use crate::local::LocalModels;
pub use crate::mrm::{Mrm, MrmBuilder, MrmInput};
pub use crate::policy::LmPolicy;
pub use crate::text::TextLayout;
pub use burn::tensor::{DType, Device};
