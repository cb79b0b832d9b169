//! What a parquet file states of its sizes, checked before anything is unzipped or room is made.
//!
//! The library believes headers: it makes room for as many values as they state, and unzips pages
//! to whatever comes out. So the footer's schema and the header of every page are looked at first.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, copy, sink};

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::thrift::{Damaged, I32, LIST, STRUCT, Thrift};
use crate::eval::data::{Cap, DataErrorKind, DataLimits, Place};

/// The most bytes of a footer.
const FOOTER: u64 = 16 << 20;
/// The deepest nesting of columns.
const DEEPEST: usize = 32;
/// What a value of a dictionary or a list takes in memory, at most, besides its text.
const VALUE: u64 = 64;
/// Encodings whose values the library counts by what stands in the page itself.
const UNCOUNTED: [i64; 2] = [6, 7];

/// Refuses a footer that is too large, or whose schema is none.
///
/// # Errors
///
/// A file that cannot be read, is no parquet or is damaged there.
pub fn check_footer(file: &File) -> Result<(), DataErrorKind> {
    let length = file.metadata().map_err(DataErrorKind::Io)?.len();
    let mut tail = [0; 8];
    let start = length.checked_sub(8).ok_or_else(|| damaged("the file has no footer"))?;
    at(file, start)?.read_exact(&mut tail).map_err(io)?;
    let [a, b, c, d, magic @ ..] = tail;
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if &magic != b"PAR1" {
        return Err(damaged("the file has no footer"));
    }
    if footer > FOOTER {
        return Err(DataErrorKind::TooLarge { cap: Cap::Footer, limit: FOOTER, place: None });
    }
    let start = start.checked_sub(footer).ok_or_else(|| damaged("the footer begins before the file"))?;
    schema(&mut Thrift::new(at(file, start)?, footer)).map_err(|Damaged| damaged("the footer is damaged"))
}

/// Goes through the footer's first fields, up to the schema: a list of elements in depth-first
/// order, each with the number of its children.
fn schema<R: Read>(thrift: &mut Thrift<R>) -> Result<(), Damaged> {
    let mut last = 0;
    while let Some((field, kind)) = thrift.field(last)? {
        last = field;
        if (field, kind) != (2, LIST) {
            thrift.skip(kind)?;
            continue;
        }
        let (length, kind) = thrift.list()?;
        if kind != STRUCT || length == 0 {
            return Err(Damaged);
        }
        tree(thrift, length)?;
    }
    Ok(())
}

fn tree<R: Read>(thrift: &mut Thrift<R>, elements: u64) -> Result<(), Damaged> {
    // Children that are still to come, of each group that is open; and of all groups.
    let (mut open, mut expected) = (Vec::<u64>::new(), 1_u64);
    for _ in 0..elements {
        let children = children(thrift)?;
        if let Some(group) = open.last_mut() {
            *group -= 1;
        }
        expected = expected.checked_add(children).filter(|expected| *expected <= elements).ok_or(Damaged)?;
        if children > 0 {
            open.push(children);
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if open.len() > DEEPEST {
            return Err(Damaged);
        }
    }
    if open.is_empty() && expected == elements { Ok(()) } else { Err(Damaged) }
}

/// The number of children that an element of the schema has.
fn children<R: Read>(thrift: &mut Thrift<R>) -> Result<u64, Damaged> {
    let (mut last, mut children) = (0, 0);
    while let Some((field, kind)) = thrift.field(last)? {
        last = field;
        match (field, kind) {
            (5, I32) => children = u64::try_from(thrift.number()?).map_err(|_| Damaged)?,
            _ => thrift.skip(kind)?,
        }
    }
    Ok(children)
}

/// Refuses a row group whose pages, of the columns that are read, would cost more than allowed.
///
/// # Errors
///
/// Pages that lie outside the file, are damaged, too large or of an encoding that is not read; in a
/// column of lists, more than `values` values.
pub fn check_group(
    file: &File,
    group: &RowGroupMetaData,
    is_read: &dyn Fn(&str) -> bool,
    limits: &DataLimits,
    values: u64,
    place: Place,
) -> Result<(), DataErrorKind> {
    let mut total = 0;
    for column in group.columns() {
        if column.column_path().parts().first().is_some_and(|name| is_read(name)) {
            let repeated = column.column_descr().max_rep_level() > 0;
            let values = if repeated { values } else { u64::MAX };
            Pages { file, column, limits, values, place }.check(&mut total)?;
        }
    }
    Ok(())
}

/// The pages of a column in a row group.
struct Pages<'a> {
    file: &'a File,
    column: &'a ColumnChunkMetaData,
    limits: &'a DataLimits,
    values: u64,
    place: Place,
}

/// What a page's header states.
#[derive(Debug, Default)]
struct Header {
    unzipped: u64,
    zipped: u64,
    values: u64,
    dictionary: u64,
    is_uncounted: bool,
    /// Bytes at the page's beginning that are never zipped.
    plain: u64,
    is_zipped: bool,
}

impl Pages<'_> {
    fn check(&self, total: &mut u64) -> Result<(), DataErrorKind> {
        let (start, mut left) = self.range()?;
        let mut reader = at(self.file, start)?;
        let mut values = 0_u64;
        while left > 0 {
            let mut thrift = Thrift::new(&mut reader, left);
            let header = header(&mut thrift).map_err(|Damaged| damaged("a page's header is damaged"))?;
            left = thrift.left();
            left = left.checked_sub(header.zipped).ok_or_else(|| damaged("a page lies outside its column"))?;
            *total = total.saturating_add(header.unzipped);
            self.check_sizes(&header, *total)?;
            values = values.saturating_add(header.values);
            if values > self.values {
                return Err(self.too_large(Cap::Decoded, self.limits.decoded));
            }
            self.pass(&header, &mut reader)?;
        }
        Ok(())
    }

    /// Where the pages lie in the file: the first byte, and how many there are.
    fn range(&self) -> Result<(u64, u64), DataErrorKind> {
        let start = self.column.dictionary_page_offset().unwrap_or(self.column.data_page_offset());
        let file = self.file.metadata().map_err(DataErrorKind::Io)?.len();
        match (u64::try_from(start), u64::try_from(self.column.compressed_size())) {
            (Ok(start), Ok(length)) if start.saturating_add(length) <= file => Ok((start, length)),
            _ => Err(damaged("a column lies outside the file")),
        }
    }

    fn check_sizes(&self, header: &Header, total: u64) -> Result<(), DataErrorKind> {
        let page = self.limits.decoded / 4;
        if total > self.limits.bytes {
            return Err(self.too_large(Cap::Unzipped, self.limits.bytes));
        }
        if header.unzipped > page || header.zipped > page {
            return Err(self.too_large(Cap::Page, page));
        }
        if header.dictionary.saturating_mul(VALUE) > self.limits.decoded {
            return Err(self.too_large(Cap::Decoded, self.limits.decoded));
        }
        if header.is_uncounted {
            let name = self.column.column_path().string();
            let reason = format!("column `{name}` is delta-encoded text, which is not read: write it plain");
            return Err(DataErrorKind::Parquet(reason.into()));
        }
        Ok(())
    }

    /// Goes over a page. One that is zipped as gzip must give as many bytes as it states: the
    /// library would take whatever comes.
    fn pass(&self, header: &Header, reader: &mut BufReader<File>) -> Result<(), DataErrorKind> {
        let is_gzip = matches!(self.column.compression(), Compression::GZIP(_));
        if !(is_gzip && header.is_zipped) {
            let zipped = i64::try_from(header.zipped).unwrap_or(i64::MAX);
            return reader.seek_relative(zipped).map_err(DataErrorKind::Io);
        }
        let mut page = reader.take(header.zipped);
        copy(&mut page.by_ref().take(header.plain), &mut sink()).map_err(DataErrorKind::Io)?;
        let expected = header.unzipped.saturating_sub(header.plain);
        let unzipped = copy(&mut MultiGzDecoder::new(page.by_ref()).take(expected + 1), &mut sink());
        copy(&mut page, &mut sink()).map_err(DataErrorKind::Io)?;
        match (expected, unzipped) {
            (0, _) => Ok(()),
            (_, Ok(found)) if found == expected => Ok(()),
            _ => Err(damaged("a page does not unzip to what its header states")),
        }
    }

    fn too_large(&self, cap: Cap, limit: u64) -> DataErrorKind {
        DataErrorKind::TooLarge { cap, limit, place: Some(self.place) }
    }
}

/// Values that a list may have, so that a row of them stays within the limits.
#[must_use]
pub fn list_values(limits: &DataLimits) -> u64 {
    limits.decoded / (2 * VALUE)
}

fn header<R: Read>(thrift: &mut Thrift<R>) -> Result<Header, Damaged> {
    let (mut last, mut header) = (0, Header { is_zipped: true, ..Header::default() });
    while let Some((field, kind)) = thrift.field(last)? {
        last = field;
        match (field, kind) {
            (2, I32) => header.unzipped = size(thrift)?,
            (3, I32) => header.zipped = size(thrift)?,
            (5 | 7 | 8, STRUCT) => part(thrift, &mut header, field)?,
            _ => thrift.skip(kind)?,
        }
    }
    Ok(header)
}

/// The header of a page of some type: a data page, a dictionary, a data page of version 2.
fn part<R: Read>(thrift: &mut Thrift<R>, header: &mut Header, page: i64) -> Result<(), Damaged> {
    let mut last = 0;
    while let Some((field, kind)) = thrift.field(last)? {
        last = field;
        match (page, field, kind) {
            (7, 1, I32) => header.dictionary = size(thrift)?,
            (_, 1, I32) => header.values = size(thrift)?,
            (5 | 7, 2, I32) | (8, 4, I32) => header.is_uncounted |= UNCOUNTED.contains(&thrift.number()?),
            (8, 5 | 6, I32) => header.plain = header.plain.saturating_add(size(thrift)?),
            (8, 7, 2) => header.is_zipped = false,
            _ => thrift.skip(kind)?,
        }
    }
    Ok(())
}

fn size<R: Read>(thrift: &mut Thrift<R>) -> Result<u64, Damaged> {
    u64::try_from(thrift.number()?).map_err(|_| Damaged)
}

fn at(file: &File, start: u64) -> Result<BufReader<File>, DataErrorKind> {
    let mut file = file.try_clone().map_err(DataErrorKind::Io)?;
    file.seek(SeekFrom::Start(start)).map_err(DataErrorKind::Io)?;
    Ok(BufReader::new(file))
}

fn io(error: std::io::Error) -> DataErrorKind {
    match error.kind() {
        ErrorKind::UnexpectedEof => damaged("the file ends within its footer"),
        _ => DataErrorKind::Io(error),
    }
}

fn damaged(what: &'static str) -> DataErrorKind {
    DataErrorKind::Parquet(what.into())
}
