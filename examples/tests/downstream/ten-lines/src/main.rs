// Run from the clone's root.
use saffron_mrm::prelude::*;
use saffron_search::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let mut policy = LmPolicy::open("examples/demo/policy", &device)?;
    let mut mrm = Mrm::open("examples/demo/policy", "examples/demo/mrm", &device)?;
    let session = policy.session("I want to mend the baker's ladder. How is it done?")?;
    let searcher = Searcher::new(Saffron::of(mrm.preset(), 4)).top_p(0.9).max_new_tokens(48);
    let outcome = searcher.run(&session, &mut policy, &mut mrm)?;
    println!("{} [{}]", policy.text(&outcome.best)?, outcome.stop);
    Ok(())
}
