//! The guides of `docs/`, so that their code is compiled and run with the doctests.

macro_rules! guides {
    ($($(#[$when:meta])* $name:ident: $file:literal,)*) => {$(
        $(#[$when])*
        #[doc = include_str!(concat!("../../docs/", $file))]
        #[derive(Debug)]
        pub struct $name;
    )*};
}

guides! {
    CustomStrategy: "custom-strategy.md",
    CustomReward: "custom-reward.md",
    CustomPolicy: "custom-policy.md",
    ObserversAndTraces: "observers-and-traces.md",
    Verdicts: "verdicts.md",
    ManyPrompts: "many-prompts.md",
    #[cfg(feature = "eval")]
    Evaluation: "evaluation.md",
    #[cfg(feature = "eval")]
    Compute: "compute.md",
}
