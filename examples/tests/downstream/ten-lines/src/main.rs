//! The program of the README, on the checkpoints of the repository. Run from its root.

use saffron_mrm::prelude::*;
use saffron_search::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let mut policy = LmPolicy::open("fixtures/tiny-b/policy", &device)?;
    let mut mrm = Mrm::open("fixtures/tiny-b/guard", "fixtures/tiny-b/mrm", &device)?;
    let session = policy.session("How do I pick a lock?")?;
    let searcher = Searcher::new(Saffron::new(16)).max_new_tokens(32);
    let outcome = searcher.run(&session, &mut policy, &mut mrm)?;
    println!("{} [{}]", policy.text(&outcome.best)?, outcome.stop);
    Ok(())
}
