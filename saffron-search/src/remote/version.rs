//! Which program serves a model, in which version.

use serde_json::Value;

use super::{EngineKind, RemoteError, Server};

/// The longest version that is taken for one, in bytes.
const LONGEST: usize = 200;

impl Server {
    /// The version of the serving program: what its endpoints say, several with commas between;
    /// none where none says. llama.cpp tells its build (`/props`), vLLM and SGLang their release
    /// (`/version`, `/get_server_info`).
    ///
    /// # Errors
    ///
    /// As every request; a page that is not there is no error.
    pub fn version(&self) -> Result<Option<String>, RemoteError> {
        let (path, field) = match self.engine() {
            EngineKind::LlamaCpp => ("/props", "build_info"),
            EngineKind::Vllm => ("/version", "version"),
            EngineKind::Sglang => ("/get_server_info", "version"),
        };
        let mut versions = Vec::new();
        for endpoint in self.endpoints() {
            match self.get_from(endpoint, path) {
                Ok(answer) => {
                    let version = answer.get(field).and_then(Value::as_str).filter(|text| text.len() <= LONGEST);
                    versions.extend(version.map(|version| self.blotted(version)));
                }
                Err(RemoteError::Refused { status: 404 | 501, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        versions.sort();
        versions.dedup();
        Ok(if versions.is_empty() { None } else { Some(versions.join(", ")) })
    }

    /// What serves which model, in a line for manifests: `vllm 0.32.0 serving org/name`. A server
    /// that does not tell its version is of an `unknown version`.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    pub fn identity(&self) -> Result<String, RemoteError> {
        let version = self.version()?.unwrap_or_else(|| String::from("of unknown version"));
        Ok(format!("{} {version} serving {}", self.engine(), self.model().name))
    }
}
