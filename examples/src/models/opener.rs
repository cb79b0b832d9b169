//! Opens models by name, here or behind servers, and remembers what a manifest has to say of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use saffron_core::{LayoutOrigin, ModelName, Policy, Vocabulary};
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::text::{ChatTemplate, TextLayout};
use saffron_mrm::{
    Base, BaseFiles, BiasUse, GuardRewardModel, LmPolicy, LocalModels, ModelOptions, Mrm, MrmInput, PrefillUse,
    RewardHead,
};
use saffron_search::Preset;
use saffron_search::eval::inputs::fingerprints;
use saffron_search::eval::models::{
    ComparedGuard, ComparedPolicy, ComparedScorer, DEFAULT_LAYOUT, GuardSettings, ModelOpener, MrmSettings, OpenError,
    PolicySettings, QuestionSettings, ServedSettings,
};
use saffron_search::remote::{RemoteSettings, RemoteVocabulary};

use super::fit::Fit;
use super::layout::{Chosen, LayoutChoice};
use super::{DATE, NamedGuard, NamedMrm, NamedPolicy, TemplateDate, files_of, hub, note, served};
use crate::device::is_host;
use crate::memory::{cache_bytes, free, memory};

/// Opens models by name. Those of one checkpoint share its weights; each has a cache of its own.
#[derive(Debug)]
pub struct Opener {
    pub(super) local: LocalModels,
    today: TemplateDate,
    /// The memory that caches lie in, in bytes, where that is known.
    memory: Option<u64>,
    pub(super) fit: Fit,
    /// The longest wait for a server that is still loading.
    pub(super) wait: Duration,
    /// Files and directories of models that were opened.
    files: BTreeSet<PathBuf>,
    /// What else a manifest says of them: commits, versions, dates.
    sources: BTreeMap<String, BTreeSet<String>>,
    /// What was read beside the weights.
    read: Vec<(ModelName, Arc<BaseFiles>)>,
    /// Notes to the user so far.
    notes: BTreeSet<String>,
    /// The policy's layout.
    layout: Option<TextLayout>,
    /// The policy's vocabulary, and what its tokenizer is called where it is known here.
    pub(super) policy_vocabulary: Option<Arc<dyn Vocabulary>>,
    pub(super) policy_tokenizer: Option<ModelName>,
}

impl Opener {
    /// Nothing opened yet. Chat templates tell today's date.
    #[must_use]
    pub fn new(device: Device, options: ModelOptions) -> Self {
        let (memory, room) = if is_host(&device) { (memory(), free()) } else { (None, None) };
        let local = hub::local_models(device, options);
        let (today, wait) = (TemplateDate::today(), RemoteSettings::default().wait);
        let (files, sources) = (BTreeSet::new(), BTreeMap::new());
        Self {
            local,
            today,
            memory,
            fit: Fit::within(room),
            wait,
            files,
            sources,
            read: Vec::new(),
            notes: BTreeSet::new(),
            layout: None,
            policy_vocabulary: None,
            policy_tokenizer: None,
        }
    }

    /// The same, with the longest wait for a server that is still loading.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// The same, with the date that chat templates tell.
    #[must_use]
    pub fn with_date(self, today: TemplateDate) -> Self {
        Self { today, ..self }
    }

    /// How models run.
    #[must_use]
    pub fn options(&self) -> ModelOptions {
        ModelOptions { cache_bytes: self.cache_mb() << 20, ..self.local.options() }
    }

    /// A checkpoint, with its weights loaded.
    ///
    /// # Errors
    ///
    /// A server, a name that leads nowhere, a checkpoint that does not load; a model on the hub
    /// that has changed since its other files were read.
    pub fn base(&mut self, name: &ModelName) -> Result<Base> {
        let base = self.local.base(name)?;
        self.remember(name, true)?;
        let read = self.read.iter().find(|(known, _)| known == name);
        ensure!(
            read.is_none_or(|(_, files)| same_place(files.checkpoint().path(), base.path())),
            "{name} has changed on the hub since its tokenizer was read: start again"
        );
        Ok(base)
    }

    /// A checkpoint without its weights.
    ///
    /// # Errors
    ///
    /// As [`base`](Self::base).
    pub fn checkpoint(&mut self, name: &ModelName) -> Result<Checkpoint> {
        let checkpoint = self.local.checkpoint(name)?;
        self.remember(name, false)?;
        Ok(checkpoint)
    }

    /// A checkpoint whose weights are on disk, and not loaded.
    ///
    /// # Errors
    ///
    /// As [`checkpoint`](Self::checkpoint).
    pub fn fetched(&mut self, name: &ModelName) -> Result<Checkpoint> {
        Ok(Checkpoint::open(self.local.find(name, true)?.path)?)
    }

    /// What is known of models that do not run from files of the user's own: commits of the hub,
    /// versions of servers.
    #[must_use]
    pub fn sources(&self) -> BTreeMap<String, String> {
        let joined = |said: &BTreeSet<String>| said.iter().cloned().collect::<Vec<_>>().join("; ");
        self.sources.iter().map(|(name, said)| (name.clone(), joined(said))).collect()
    }

    /// A policy.
    ///
    /// # Errors
    ///
    /// Whatever does not load or does not answer; a layout that does not fit it.
    pub fn named_policy(&mut self, settings: &PolicySettings) -> Result<NamedPolicy> {
        let choice = LayoutChoice::of(settings)?;
        let policy = match settings.model.server() {
            Some(address) => self.served_policy(address, settings, &choice)?,
            None => {
                let (options, layout) = self.policy_parts(settings, &choice)?;
                let base = self.base(&settings.model)?;
                let policy = LmPolicy::on_with_layout(&base, options, layout)?;
                NamedPolicy::Local(Box::new(policy))
            }
        };
        self.policy_vocabulary = Some(policy.vocabulary());
        self.policy_tokenizer = match settings.model.server() {
            Some(_) => tokenizer_of(settings.served.as_ref()).cloned(),
            None => Some(settings.model.clone()),
        };
        Ok(policy)
    }

    /// A policy's vocabulary alone.
    ///
    /// # Errors
    ///
    /// As [`named_policy`](Self::named_policy).
    pub fn vocabulary(&mut self, settings: &PolicySettings) -> Result<Arc<dyn Vocabulary>> {
        match (settings.model.server(), tokenizer_of(settings.served.as_ref())) {
            (Some(address), None) => {
                let server = served::connect(address, settings.served.as_ref(), None, self.wait)?;
                Ok(Arc::new(RemoteVocabulary::new(server)?))
            }
            (Some(_), Some(name)) => Ok(Arc::new(self.checkpoint(name)?.tokenizer()?)),
            (None, _) => Ok(Arc::new(self.checkpoint(&settings.model)?.tokenizer()?)),
        }
    }

    /// What a policy's checkpoint, or its tokenizer's, says of conversations. None where the server
    /// tokenises.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, a template that cannot be parsed.
    pub fn chat_template(&mut self, settings: &PolicySettings) -> Result<Option<ChatTemplate>> {
        let name = match settings.model.server() {
            Some(_) => tokenizer_of(settings.served.as_ref()),
            None => Some(&settings.model),
        };
        let Some(name) = name else { return Ok(None) };
        let checkpoint = self.checkpoint(name)?;
        LayoutChoice::of(settings)?.template(&checkpoint, self.today)
    }

    /// A guard: by a published guard's template, which is named or recognised, or by a question in
    /// words.
    ///
    /// # Errors
    ///
    /// Whatever does not load or does not answer; a served guard without a question.
    pub fn named_guard(&mut self, settings: &GuardSettings) -> Result<NamedGuard> {
        if let Some(address) = settings.model.server() {
            return self.served_guard(address, settings);
        }
        let (options, template) = self.guard_parts(settings)?;
        let base = self.base(&settings.model)?;
        let guard = GuardRewardModel::on(&base, options, |_| Ok(template))?;
        let guard = match &settings.adapter {
            Some(adapter) => guard.with_adapter(self.file(adapter))?,
            None => guard,
        };
        Ok(NamedGuard::Local(Box::new(guard), base.tokenizer().clone()))
    }

    /// A multifurcation reward model.
    ///
    /// # Errors
    ///
    /// Whatever does not load.
    pub fn named_mrm(&mut self, settings: &MrmSettings) -> Result<NamedMrm> {
        if let Some(address) = settings.base.server() {
            return self.served_mrm(address, settings);
        }
        let (options, layout) = self.mrm_parts(settings)?;
        let base = Mrm::on(&self.base(&settings.base)?, options)?;
        let base = if settings.neutral_head { base.neutral_where_absent() } else { base };
        let mrm = base.without_card().with_adapter(self.file(&settings.adapter))?;
        let head = mrm.head();
        let unseen = if settings.unseen { head.unseen.clone() } else { RewardHead::neutral(head.bias.len()).unseen };
        let head = RewardHead { bias: head.bias.clone(), unseen };
        let mrm = mrm.with_layout(layout).with_input(input(settings)).with_head(head)?;
        Ok(NamedMrm::Local(Box::new(mrm)))
    }

    /// What a checkpoint says beside its weights. It is read once.
    ///
    /// # Errors
    ///
    /// As [`checkpoint`](Self::checkpoint); what a model cannot be opened without.
    pub fn read(&mut self, name: &ModelName) -> Result<Arc<BaseFiles>> {
        if let Some((_, files)) = self.read.iter().find(|(known, _)| known == name) {
            return Ok(files.clone());
        }
        let files = Arc::new(BaseFiles::of(self.checkpoint(name)?)?);
        for notice in files.tokenizer().notices() {
            self.note_once(format!("{name}: {notice}"));
        }
        self.read.push((name.clone(), files.clone()));
        Ok(files)
    }

    /// Says which turns' marks a prompt spells, where the policy's chat template writes them as
    /// plain text: the model cannot tell them from the template's own.
    pub fn warn_of_marks(&mut self, prompt: &str) {
        let spelled = self.layout.as_ref().map(|layout| layout.spells_markers(prompt).join(", ")).unwrap_or_default();
        if !spelled.is_empty() {
            self.note_once(format!(
                "the prompt spells {spelled}, which the chat template writes as plain text: to the model a turn begins or \
                 ends there"
            ));
        }
    }

    /// The layout that was chosen for the policy, if its tokenizer is known here.
    #[must_use]
    pub fn layout(&self) -> Option<&TextLayout> {
        self.layout.as_ref()
    }

    pub(super) fn note_once(&mut self, text: String) {
        if !self.notes.contains(&text) {
            note(&text);
            self.notes.insert(text);
        }
    }

    /// The layout for a policy. What a manifest cannot tell from the settings is remembered.
    pub(super) fn chosen(&mut self, choice: &LayoutChoice, model: &ModelName, files: &BaseFiles) -> Result<TextLayout> {
        let Chosen { layout, dated, guessed } =
            choice.choose(model, files.checkpoint(), files.tokenizer(), self.today)?;
        if let Some(text) = guessed {
            self.note_once(text);
        }
        self.layout = Some(layout.clone());
        if choice.name.is_none() && *layout.origin() == LayoutOrigin::Template {
            self.say(DEFAULT_LAYOUT, "chat template");
        }
        if dated && choice.date.is_none() {
            let today = self.today.to_string();
            self.say(DATE, today);
        }
        Ok(layout)
    }

    /// How a model with a cache of so many megabytes runs, by default of the chosen size, with
    /// contexts of a length, if one is asked for. Says so where it is one for which the model has rotary frequencies of their own.
    pub(super) fn options_for(
        &mut self,
        model: &ModelName,
        cache_mb: Option<u64>,
        max_context: Option<usize>,
    ) -> Result<ModelOptions> {
        let cache_bytes = cache_bytes(cache_mb.unwrap_or(self.cache_mb()), self.memory)?;
        if let Some(asked) = max_context {
            let files = self.read(model)?;
            let (limit, most) = (files.config().context_limit(), files.config().max_position_embeddings);
            ensure!((1..=most).contains(&asked), "{model}: max_context: expected 1 to {most}, found {asked}");
            if asked > limit {
                self.note_of_long_contexts(model, limit);
            }
        }
        Ok(ModelOptions { cache_bytes, max_context, ..self.local.options() })
    }

    pub(super) fn note_of_long_contexts(&mut self, model: &ModelName, limit: usize) {
        self.note_once(format!(
            "{model} takes its rotary frequencies for contexts beyond {limit} tokens, for shorter ones, too"
        ));
    }

    fn remember(&mut self, name: &ModelName, weights: bool) -> Result<()> {
        let found = self.local.find(name, weights)?;
        match found.commit {
            Some(commit) => self.say(name.to_string(), format!("commit {commit}")),
            None if self.files.iter().any(|known| same_place(known, &found.path)) => {}
            None => drop(self.files.insert(found.path)),
        }
        Ok(())
    }

    /// Remembers a directory or file of a model, such as an adapter.
    pub(super) fn file<'a>(&mut self, path: &'a Path) -> &'a Path {
        self.files.insert(path.to_path_buf());
        path
    }

    pub(super) fn say(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.sources.entry(name.into()).or_default().insert(value.into());
    }
}

impl ModelOpener for Opener {
    fn policy(&mut self, settings: &PolicySettings) -> Result<Box<dyn ComparedPolicy>, OpenError> {
        Ok(Box::new(self.named_policy(settings)?))
    }

    fn mrm(&mut self, settings: &MrmSettings) -> Result<Box<dyn ComparedScorer>, OpenError> {
        Ok(Box::new(self.named_mrm(settings)?))
    }

    fn guard(&mut self, settings: &GuardSettings) -> Result<Box<dyn ComparedGuard>, OpenError> {
        Ok(Box::new(self.named_guard(settings)?))
    }

    fn fingerprints(&self) -> Result<BTreeMap<String, String>, OpenError> {
        let mut all = self.sources();
        for path in &self.files {
            all.extend(fingerprints(path, &files_of)?);
        }
        Ok(all)
    }
}

/// The policy of the reference implementation, which knows one end-of-sequence token: the
/// tokenizer's.
pub(super) fn for_preset(policy: NamedPolicy, preset: Preset) -> NamedPolicy {
    match (preset, policy.tokenizer().and_then(|tokenizer| tokenizer.eos())) {
        (Preset::Reference, Some(end)) => policy.with_end_tokens(vec![end]),
        _ => policy,
    }
}

pub(super) fn tokenizer_of(settings: Option<&ServedSettings>) -> Option<&ModelName> {
    settings.and_then(|served| served.tokenizer.as_ref())
}

/// Whether two paths lead to the same weights, however they are spelled.
fn same_place(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || real(one).is_some_and(|one| real(other).is_some_and(|other| one == other))
}

pub(super) fn parts(question: &QuestionSettings) -> [&str; 3] {
    [&question.prefix, &question.infix, &question.suffix]
}

pub(super) fn answers(question: &QuestionSettings) -> [&str; 2] {
    [&question.safe, &question.not_safe]
}

fn input(settings: &MrmSettings) -> MrmInput {
    let preset = MrmInput::of(settings.preset);
    let bias = match settings.bias {
        None => preset.bias,
        Some(true) => BiasUse::Added,
        Some(false) => BiasUse::LeftOut,
    };
    let prefill = if settings.sees_prefill { PrefillUse::Seen } else { PrefillUse::Hidden };
    MrmInput { bias, prefill, ..preset }
}
