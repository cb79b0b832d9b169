//! The program of the README, on the checkpoints of the repository. Run from its root.

use saffron_mrm::prelude::*;
use saffron_search::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let mut policy = LmPolicy::open("examples/demo/policy", &device)?;
    let mut mrm = Mrm::open("examples/demo/policy", "examples/demo/mrm", &device)?;
    let session = policy.session("How do I wash the windows?")?;
    let searcher = Searcher::new(Saffron::of(mrm.preset(), 4)).max_new_tokens(32);
    let outcome = searcher.run(&session, &mut policy, &mut mrm)?;
    println!("{} [{}]", policy.text(&outcome.best)?, outcome.stop);
    Ok(())
}
