//! The README and the pages of `docs/`, so that their code is compiled and run with the doctests.

macro_rules! pages {
    ($($name:ident: $file:literal,)*) => {$(
        #[doc = include_str!(concat!("../../", $file))]
        #[derive(Debug)]
        pub struct $name;
    )*};
}

pages! {
    Readme: "README.md",
    CustomStrategy: "docs/custom-strategy.md",
    CustomReward: "docs/custom-reward.md",
    CustomPolicy: "docs/custom-policy.md",
    ObserversAndTraces: "docs/observers-and-traces.md",
    Verdicts: "docs/verdicts.md",
    ManyPrompts: "docs/many-prompts.md",
    Evaluation: "docs/evaluation.md",
    Compute: "docs/compute.md",
    OwnMrm: "docs/own-mrm.md",
    InAServer: "docs/in-a-server.md",
    Rivals: "docs/rivals.md",
    Programs: "docs/programs.md",
}

/// The README's program, run from the repository's root.
///
/// ```
/// mod program {
///     include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/downstream/ten-lines/src/main.rs"));
///
///     pub fn run() -> Result<(), Box<dyn std::error::Error>> {
///         main()
///     }
/// }
///
/// std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?;
/// program::run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Program;
