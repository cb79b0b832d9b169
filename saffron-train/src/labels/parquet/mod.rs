//! Token rewards as parquet files, for other tools (feature `parquet`).
//!
//! A file has one row a labelled reply, skipped ones left out, in the order of the corpus, and these columns:
//!
//! | column | type | what |
//! |---|---|---|
//! | `index` | required INT64 | place among all replies of the corpus, from 0 |
//! | `id` | required BYTE_ARRAY, STRING | the reply's id |
//! | `set` | required BYTE_ARRAY, STRING | name of the data set |
//! | `group` | optional BYTE_ARRAY, STRING | topic or question |
//! | `label` | optional BYTE_ARRAY, STRING | `complied` or `refused` |
//! | `prompt` | required LIST of required INT32 | token ids of the prompt |
//! | `reply` | required LIST of required INT32 | token ids of the reply |
//! | `rewards` | required LIST of required FLOAT | the reward of the reply up to each of its tokens |
//! | `cut` | required INT64 | reply tokens that were left out |
//! | `prompt_text` | optional BYTE_ARRAY, STRING | the prompt in words; a file may lack the column |
//!
//! Lists are of the standard three levels (`group (LIST) { repeated group list { element } }`). What the values mean, and their units, is
//! said of the [JSON lines](super). The file's key–value metadata holds under `saffron.manifest` the text of the run's `manifest.json`,
//! whose `labels_version` is the version of this format, too. Pages are compressed by Snappy.

mod read;
mod write;

use std::path::Path;

use super::{LabelError, TokenRewards};

pub use read::{read, read_within};
pub use write::write;

/// Key of the manifest in a file's metadata.
const MANIFEST_KEY: &str = "saffron.manifest";

/// The columns.
const SCHEMA: &str = "
message token_rewards {
  required int64 index;
  required binary id (STRING);
  required binary set (STRING);
  optional binary group (STRING);
  optional binary label (STRING);
  required group prompt (LIST) { repeated group list { required int32 element; } }
  required group reply (LIST) { repeated group list { required int32 element; } }
  required group rewards (LIST) { repeated group list { required float element; } }
  required int64 cut;
  optional binary prompt_text (STRING);
}";

/// Wraps what the parquet library, or somebody else, said of a file.
fn failure<E: Into<Box<dyn std::error::Error + Send + Sync>>>(path: &Path) -> impl Fn(E) -> LabelError {
    move |source| LabelError::Parquet { path: path.to_owned(), source: source.into() }
}
