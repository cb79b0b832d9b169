//! Pages of `docs/`, so that their code is compiled and run with the doctests.

macro_rules! pages {
    ($($name:ident: $file:literal,)*) => {$(
        #[doc = include_str!(concat!("../../", $file))]
        #[derive(Debug)]
        pub struct $name;
    )*};
}

pages! {
    InAServer: "docs/in-a-server.md",
}
