//! Models behind servers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use saffron_core::{ModelName, ServerAddress};
use saffron_mrm::text::TextTokenizer;
use saffron_mrm::{GuardQuestions, GuardTemplate, guards};
use saffron_search::eval::models::{GuardQuestion, GuardSettings, PolicySettings, ServedSettings};
use saffron_search::remote::{
    ApiKey, RemoteError, RemoteGuard, RemotePolicy, RemoteQuestion, RemoteQuestions, RemoteSettings, RemoteVocabulary,
    Server, ServerWait,
};

use super::guard::NamedGuard;
use super::layout::LayoutChoice;
use super::note;
use super::opener::{Opener, answers, parts, tokenizer_of};
use super::policy::NamedPolicy;

/// The environment's variable that holds the key of servers. It is written nowhere.
const KEY: &str = "SAFFRON_API_KEY";

/// How often a note about the same wait is repeated.
const AGAIN: Duration = Duration::from_secs(10);

/// Arguments: how long to wait for servers.
#[derive(Clone, Copy, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct WaitArgs {
    /// Seconds to wait for a server that is still loading its model.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
}

impl WaitArgs {
    /// The longest wait.
    #[must_use]
    pub fn limit(self) -> Duration {
        Duration::from_secs(self.wait)
    }
}

impl Opener {
    pub(super) fn served_policy(
        &mut self,
        address: &ServerAddress,
        settings: &PolicySettings,
        choice: &LayoutChoice,
    ) -> Result<NamedPolicy> {
        refuse_context(settings.max_context, &settings.model)?;
        let Some(name) = tokenizer_of(settings.served.as_ref()) else {
            ensure!(
                choice.may_be_template() && choice.options.is_empty() && choice.date.is_none(),
                "a layout, a date or an option of the template needs the tokenizer of {}: without it the server's own template \
                 counts",
                settings.model
            );
            let server = self.connect(address, settings.served.as_ref(), None)?;
            let policy = match &choice.system {
                Some(system) => RemotePolicy::open_with_system(server, system)?,
                None => RemotePolicy::open(server)?,
            };
            return Ok(NamedPolicy::Served(Box::new(policy), None));
        };
        let files = self.read(name)?;
        let (config, tokenizer) = (files.config(), files.tokenizer());
        let layout = self.chosen(choice, name, &files)?;
        let end_tokens = files.checkpoint().end_tokens(tokenizer)?;
        let server = self.connect(address, settings.served.as_ref(), Some(config.vocab_size))?;
        let policy = RemotePolicy::on(server, tokenizer.clone(), layout, end_tokens).with_shape(config.shape());
        Ok(NamedPolicy::Served(Box::new(policy), Some(tokenizer.clone())))
    }

    pub(super) fn served_guard(&mut self, address: &ServerAddress, settings: &GuardSettings) -> Result<NamedGuard> {
        let GuardSettings { model, adapter, question, served, .. } = settings;
        ensure!(adapter.is_none(), "{model} is a server: an adapter is put on where the model runs");
        refuse_context(settings.max_context, model)?;
        settings.check()?;
        let question = question.as_ref().with_context(|| format!("{model} is a server: set `question`"))?;
        let Some(name) = tokenizer_of(served.as_ref()) else {
            let words = question.words().with_context(|| format!("{model} is asked by name: set its tokenizer"))?;
            let server = self.connect(address, served.as_ref(), None)?;
            let vocabulary = Arc::new(RemoteVocabulary::new(server.clone())?);
            let asked = RemoteQuestion::in_words(&server, parts(words), answers(words))?;
            let guard = RemoteGuard::new(server, vocabulary, asked).through_text();
            return Ok(NamedGuard::Served(Box::new(guard), None));
        };
        let files = self.read(name)?;
        let (config, tokenizer) = (files.config(), files.tokenizer());
        self.check_served_guard(settings)?;
        let server = self.connect(address, served.as_ref(), Some(config.vocab_size))?;
        let asked = match question {
            GuardQuestion::Words(words) => RemoteQuestion::in_words(&server, parts(words), answers(words))?.into(),
            GuardQuestion::Named(name) => remote(&guards::named(name, tokenizer)?, tokenizer),
        };
        let guard = RemoteGuard::new(server, tokenizer.clone(), asked).with_shape(config.shape()).through_text();
        Ok(NamedGuard::Served(Box::new(guard), Some(tokenizer.clone())))
    }

    /// Refuses a served guard for what can be known without its server.
    pub(super) fn check_served_guard(&mut self, settings: &GuardSettings) -> Result<()> {
        settings.check()?;
        if let (Some(GuardQuestion::Named(asked)), Some(name)) =
            (&settings.question, tokenizer_of(settings.served.as_ref()))
        {
            guards::named(asked, self.read(name)?.tokenizer())?;
        }
        Ok(())
    }

    fn connect(
        &mut self,
        address: &ServerAddress,
        settings: Option<&ServedSettings>,
        vocab_size: Option<usize>,
    ) -> Result<Arc<Server>> {
        let server = connect(address, settings, vocab_size, self.wait)?;
        self.say(address.to_string(), server.identity()?);
        Ok(server)
    }
}

impl Opener {
    /// Connects to a server of rewards.
    pub(super) fn reach(
        &mut self,
        address: &ServerAddress,
        settings: &ServedSettings,
        vocab_size: Option<usize>,
    ) -> Result<Arc<Server>> {
        let server = connected(Server::reach, address, Some(settings), vocab_size, self.wait)?;
        self.say(address.to_string(), server.identity()?);
        Ok(server)
    }
}

/// Refuses a longest context for a server, which has its own.
fn refuse_context(asked: Option<usize>, model: &ModelName) -> Result<()> {
    ensure!(asked.is_none(), "{model} is a server: its longest context is set where the model runs");
    Ok(())
}

/// A published guard's questions for its server.
fn remote(questions: &GuardQuestions, tokenizer: &TextTokenizer) -> RemoteQuestions {
    let remote = |question: &GuardTemplate| {
        let GuardTemplate { layout, safe, not_safe } = question.clone();
        RemoteQuestion { layout, safe, not_safe }
    };
    let asked = RemoteQuestions::one(remote(questions.first()));
    let asked = questions.iter().skip(1).fold(asked, |asked, question| asked.and(remote(question)));
    let asked = asked.leaving_out(questions.left_out(tokenizer));
    match questions.third() {
        Some(third) => asked.with_third(third),
        None => asked,
    }
}

/// Connects to a server whose model has `vocab_size` ids, if that is known. Prints what it waits
/// for.
pub(super) fn connect(
    address: &ServerAddress,
    settings: Option<&ServedSettings>,
    vocab_size: Option<usize>,
    wait: Duration,
) -> Result<Arc<Server>> {
    connected(Server::connect_watched, address, settings, vocab_size, wait)
}

/// A way to connect.
type Connect = fn(&ServerAddress, RemoteSettings, &mut dyn FnMut(&ServerWait)) -> Result<Arc<Server>, RemoteError>;

fn connected(
    connect: Connect,
    address: &ServerAddress,
    settings: Option<&ServedSettings>,
    vocab_size: Option<usize>,
    wait: Duration,
) -> Result<Arc<Server>> {
    let ServedSettings { model, top, .. } = settings.cloned().unwrap_or_default();
    let key = std::env::var(KEY).ok().filter(|key| !key.is_empty());
    let usual = RemoteSettings::default();
    let top = top.unwrap_or(usual.top);
    let settings = RemoteSettings { wait, top, api_key: key.map(ApiKey::new), model, vocab_size, ..usual };
    let mut said: Option<ServerWait> = None;
    Ok(connect(address, settings, &mut |now| {
        let same = |before: &ServerWait| before.endpoint == now.endpoint && before.reason == now.reason;
        if said.as_ref().is_some_and(|before| same(before) && now.waited < before.waited + AGAIN) {
            return;
        }
        let ServerWait { endpoint, reason, waited, limit } = now;
        note(&format!("waiting for {endpoint} ({reason}), {} of {} s", waited.as_secs(), limit.as_secs()));
        said = Some(now.clone());
    })?)
}
