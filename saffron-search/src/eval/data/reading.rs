//! Columns made ready to read rows by.

use std::borrow::Cow;
use std::ops::ControlFlow;

use serde_json::Value;

use super::expression::{Expression, of_rows};
use super::records::Layout;
use super::{Columns, DataErrorKind, Filter, Item, LabelColumn, Record, Row, Source, Unwanted, Wanted, chat};

/// Between the names of the categories that a row is of.
const BETWEEN: &str = " | ";

/// What is read of every row.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    columns: &'a Columns,
    rows: Option<Cow<'a, str>>,
    prompt: Expression<'a>,
    reply: Option<Expression<'a>>,
    id: Option<Expression<'a>>,
    group: Option<Expression<'a>>,
    goal: Option<Expression<'a>>,
    target: Option<Expression<'a>>,
    category: Option<Expression<'a>>,
    context: Option<Expression<'a>>,
    label: Option<(&'a LabelColumn, Cow<'a, str>)>,
    filter: Option<(&'a Filter, Cow<'a, str>)>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(columns: &'a Columns) -> Result<Self, DataErrorKind> {
        let mut place = RowsPlace { rows: columns.rows.as_deref(), is_each: false, is_plain: false };
        let prompt = place.expression(&columns.prompt)?;
        let mut optional =
            |column: &'a Option<String>| column.as_deref().map(|name| place.expression(name)).transpose();
        let (reply, id, group) = (optional(&columns.reply)?, optional(&columns.id)?, optional(&columns.group)?);
        let (goal, target) = (optional(&columns.goal)?, optional(&columns.target)?);
        let (category, context) = (optional(&columns.category)?, optional(&columns.context)?);
        let label = match &columns.label {
            Some(label) => Some((label, place.name(Cow::Borrowed(&label.column))?)),
            None => None,
        };
        let filter = match &columns.filter {
            Some(filter) => Some((filter, place.name(Cow::Borrowed(filter.column()))?)),
            None => None,
        };
        place.check(columns)?;
        let rows = place.rows.map(Cow::Borrowed);
        Ok(Self { columns, rows, prompt, reply, id, group, goal, target, category, context, label, filter })
    }

    /// What it takes of the file.
    pub(super) fn wanted(&self) -> Wanted<'_> {
        let others = [&self.reply, &self.id, &self.group, &self.goal, &self.target, &self.category, &self.context];
        let texts = [&self.prompt].into_iter().chain(others.into_iter().flatten());
        let label = self.label.iter().map(|(_, column)| &**column);
        let filter = self.filter.iter().map(|(_, column)| &**column);
        let columns: Vec<&str> = texts.flat_map(Expression::columns).chain(label).chain(filter).collect();
        let Columns { header, quotes, .. } = *self.columns;
        let rows = self.rows.as_deref();
        let layout = Layout { header, quotes, rows, texts: true, array: false };
        Wanted { text: columns.first().copied().unwrap_or_default(), columns, optional: None, layout }
    }

    /// Shows the item of a row, if the row is kept.
    pub(super) fn show(
        &self,
        record: &Record,
        source: &Source,
        each: Row<'_, Item>,
    ) -> Result<ControlFlow<()>, DataErrorKind> {
        if let Some((filter, column)) = &self.filter
            && !filter.keeps_value(column, record)?
        {
            source.left_out.filtered();
            return Ok(ControlFlow::Continue(()));
        }
        if self.columns.empty == Unwanted::Drop && self.prompt.is_blank(record)? {
            source.left_out.empty();
            return Ok(ControlFlow::Continue(()));
        }
        each(self.item(record, source)?, record.place)
    }

    fn item(&self, record: &Record, source: &Source) -> Result<Item, DataErrorKind> {
        let id = match &self.id {
            Some(id) => id.scalar(record)?,
            None => record.index.to_string(),
        };
        let (prompt, answered) = self.prompt(record, source)?;
        let reply = match &self.reply {
            Some(Expression::Column(column)) => record.optional_text(column)?.map(str::to_owned),
            Some(pattern) => pattern.optional(record)?,
            None => None,
        };
        if reply.is_some() && answered.is_some() {
            return Err(record.malformed("the dialogue has a reply of its own beside the column `reply`"));
        }
        let label = self.label.as_ref().map(|(label, column)| label.label(column, record)).transpose()?;
        let item = Item::new(id, prompt).with_reply(reply.or(answered).unwrap_or_default());
        Ok(Item {
            label,
            group: optional(self.group.as_ref(), record)?,
            goal: words(self.goal.as_ref(), record)?,
            target: words(self.target.as_ref(), record)?,
            category: self.category(record)?,
            context: words(self.context.as_ref(), record)?,
            ..item
        })
    }

    /// The prompt, and the reply that a dialogue has.
    fn prompt(&self, record: &Record, source: &Source) -> Result<(String, Option<String>), DataErrorKind> {
        let column = match &self.prompt {
            Expression::Column(column) => column,
            pattern => {
                let prompt = pattern.scalar(record)?;
                let is_blank = prompt.trim().is_empty() || pattern.is_blank(record)?;
                let fault = DataErrorKind::EmptyPrompt { place: record.place };
                return if is_blank { Err(fault) } else { Ok((prompt, None)) };
            }
        };
        let Value::Array(messages) = record.value_of(column)? else {
            return Ok((record.prompt(column)?.to_owned(), None));
        };
        let (turns, dropped) = chat::turns(record, column, messages, self.columns.system == Unwanted::Drop)?;
        source.left_out.system(dropped);
        let chat::Asked { prompt, reply } = chat::asked(record, column, &turns)?;
        Ok((prompt, reply))
    }

    /// The category; of an object of truth values, the names of the true ones, sorted.
    fn category(&self, record: &Record) -> Result<Option<String>, DataErrorKind> {
        let Some(Expression::Column(column)) = &self.category else {
            return words(self.category.as_ref(), record);
        };
        let Value::Object(categories) = record.value_of(column)? else {
            return words(self.category.as_ref(), record);
        };
        let mut names = Vec::new();
        for (name, is_of) in categories {
            match is_of {
                Value::Bool(true) => names.push(name.as_str()),
                Value::Bool(false) => {}
                other => return Err(record.wrong_type(&format!("{column}.{name}"), "a truth value", other)),
            }
        }
        names.sort_unstable();
        Ok(Some(names.join(BETWEEN)).filter(|names| !names.is_empty()))
    }
}

fn optional(column: Option<&Expression<'_>>, record: &Record) -> Result<Option<String>, DataErrorKind> {
    column.map_or(Ok(None), |column| column.optional(record))
}

/// A text with at least one word, if there is one.
fn words(column: Option<&Expression<'_>>, record: &Record) -> Result<Option<String>, DataErrorKind> {
    Ok(optional(column, record)?.filter(|text| !text.trim().is_empty()))
}

/// Where the rows stand, as all columns together say it.
struct RowsPlace<'a> {
    rows: Option<&'a str>,
    /// Whether a column has `[]`.
    is_each: bool,
    /// Whether a column has none.
    is_plain: bool,
}

impl<'a> RowsPlace<'a> {
    fn expression(&mut self, written: &'a str) -> Result<Expression<'a>, DataErrorKind> {
        Expression::parse(written)?.renamed(&mut |name| self.name(name))
    }

    /// A column's name within a row.
    fn name(&mut self, name: Cow<'a, str>) -> Result<Cow<'a, str>, DataErrorKind> {
        let Cow::Borrowed(written) = name else { return Ok(name) };
        let Some((rows, within)) = of_rows(written)? else {
            self.is_plain = true;
            return Ok(name);
        };
        self.is_each = true;
        match self.rows.replace(rows) {
            Some(other) if other != rows => Err(several(written)),
            _ => Ok(Cow::Borrowed(within)),
        }
    }

    fn check(&self, columns: &Columns) -> Result<(), DataErrorKind> {
        if self.is_each && self.is_plain { Err(several(&columns.prompt)) } else { Ok(()) }
    }
}

fn several(column: &str) -> DataErrorKind {
    let reason =
        "all columns must stand in the same rows: write `rows[].` before each of them, or `rows = \"…\"` and none";
    DataErrorKind::Pattern { pattern: column.to_owned(), reason }
}
