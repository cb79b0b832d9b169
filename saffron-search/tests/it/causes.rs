//! A cause is said once: messages leave it to `source()`, and programs print the chain.

use std::error::Error;
use std::io;

use saffron_core::{ModelError, Role, SearchError, SearchErrorKind, VocabularyError, with_causes};
use saffron_search::trace::TraceError;

const CAUSE: &str = "the cause of it all";

fn cause() -> io::Error {
    io::Error::other(CAUSE)
}

fn json() -> serde_json::Error {
    serde_json::from_str::<u32>("nothing").unwrap_err()
}

fn said_once(error: &dyn Error) {
    let chain = with_causes(error);
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    let cause = last.to_string();
    assert_eq!(chain.matches(&cause).count(), 1, "{chain}");
    assert!(error.source().is_none() || !error.to_string().contains(&cause), "{error}");
}

#[test]
fn of_models_and_searches() {
    let model = || ModelError::other("asking a server", cause());
    said_once(&model());
    said_once(&SearchError::from(SearchErrorKind::Model { role: Role::Policy, source: model() }));
    said_once(&VocabularyError { source: cause().into() });
    assert_eq!(
        with_causes(&SearchError::from(SearchErrorKind::Model { role: Role::Policy, source: model() })),
        format!("the policy model failed: asking a server: {CAUSE}")
    );
}

#[test]
fn of_traces() {
    said_once(&TraceError::Read { line: 3, source: cause() });
    said_once(&TraceError::Torn { line: 3, source: json() });
    said_once(&TraceError::Foreign { line: 3, expected: "event", source: json() });
}

#[cfg(feature = "eval")]
mod eval {
    use saffron_search::eval::attack::AttackError;
    use saffron_search::eval::data::Place;
    use saffron_search::eval::data::{DataErrorKind, Format, read};
    use saffron_search::eval::files::FileError;
    use saffron_search::eval::harness::HarnessError;
    use saffron_search::eval::models::ModelsError;
    use saffron_search::eval::runs::{RunError, Shard};

    use super::{CAUSE, ModelError, Role, SearchErrorKind, cause, json, said_once, with_causes};

    #[test]
    fn of_files_and_runs() {
        let path = || std::path::PathBuf::from("x");
        said_once(&FileError::Io { action: "read", path: path(), source: cause() });
        said_once(&FileError::Line { path: path(), line: 3, source: json() });
        said_once(&FileError::Encode { path: path(), source: json() });
        said_once(&RunError::from(FileError::Io { action: "read", path: path(), source: cause() }));
        said_once(&RunError::Manifest { path: path(), source: json() });
        said_once(&RunError::Line { path: path(), line: 3, source: json() });
        said_once(&RunError::Encode { what: "it", source: json() });
        said_once(&"1/x".parse::<Shard>().unwrap_err());
    }

    #[test]
    fn of_data() {
        said_once(&DataErrorKind::Io(cause()));
        said_once(&DataErrorKind::Gzip(cause()));
        said_once(&DataErrorKind::Parquet(CAUSE.into()));
        let error = read("nothing.csv", &Format::Prompts).unwrap_err();
        said_once(&error);
        assert_eq!(error.to_string(), "nothing.csv: cannot be read");
    }

    #[test]
    fn of_comparisons() {
        let model = ModelError::other("asking a server", cause());
        let search = SearchErrorKind::Model { role: Role::Policy, source: model };
        let error = HarnessError::Contender { strategy: "s".into(), budget: 1, source: search.into() };
        said_once(&error);
        assert_eq!(
            with_causes(&error),
            format!("s at 1 cannot be run: the policy model failed: asking a server: {CAUSE}")
        );
        said_once(&HarnessError::Run(RunError::Encode { what: "it", source: json() }));
        said_once(&ModelsError { what: "the policy".into(), source: cause().into() });
        let source = Box::new(AttackError::TwoPrefills);
        said_once(&AttackError::Template { id: "0".into(), place: Place::Line(1), source });
    }
}
