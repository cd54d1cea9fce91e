//! Extended headers (pax): records `LENGTH KEY=VALUE\n`, told apart by their lengths alone, because values may hold line
//! breaks (GNU tar's ACLs do) and anything else.

use super::acl;
use super::error::ArchiveError;
use super::header::Kind;
use crate::adapters::lay::Attributes;
use std::collections::BTreeMap;

/// Records by key; the last of several counts, and an empty one takes an earlier one back.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Offsets and lengths of GNU's first way to write holes, which repeats its keys.
    pub segments: Vec<u64>,
}

impl Records {
    /// Adds what a header's content says.
    pub fn add(&mut self, mut content: &[u8]) -> Result<(), ArchiveError> {
        let broken = || ArchiveError::damaged("an extended header of it makes no sense");
        // Some programs pad with zeros.
        while content.first().is_some_and(|byte| *byte != 0) {
            let space = content.iter().take(20).position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length: usize =
                std::str::from_utf8(&content[..space]).ok().and_then(|n| n.parse().ok()).ok_or_else(broken)?;
            let record = content.get(space + 1..length).ok_or_else(broken)?;
            let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            if matches!(key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes") {
                self.segments.push(number(value)?);
            } else if value.is_empty() && !key.starts_with(SCHILY_XATTR) {
                self.values.remove(key);
            } else {
                self.values.insert(key.to_owned(), value.to_owned());
            }
            content = &content[length..];
        }
        Ok(())
    }

    /// These, and what others say beside and over them.
    pub fn overlaid(&self, others: Self) -> Self {
        let mut all = self.clone();
        all.values.extend(others.values);
        all.segments = others.segments;
        all
    }

    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key.as_bytes()).map(Vec::as_slice)
    }

    pub fn number(&self, key: &str) -> Result<Option<u64>, ArchiveError> {
        self.get(key).map(number).transpose()
    }

    /// Replaces what the header says by what the records do. What cannot be had is told, one sentence each.
    pub fn apply(&self, attributes: &mut Attributes, kind: &mut Kind) -> Result<Vec<String>, ArchiveError> {
        let mut troubles = Vec::new();
        let id = |id: u64| u32::try_from(id).map_err(|_| ArchiveError::damaged(format!("{id} is no number of a user")));
        if let Some(uid) = self.number("uid")? {
            attributes.uid = id(uid)?;
        }
        if let Some(gid) = self.number("gid")? {
            attributes.gid = id(gid)?;
        }
        if let Some(mtime) = self.get("mtime") {
            attributes.mtime = time(mtime).ok_or_else(|| ArchiveError::damaged("a time of it makes no sense"))?;
        }
        if let (Kind::Symlink(target) | Kind::Hardlink(target), Some(path)) = (&mut *kind, self.get("linkpath")) {
            path.clone_into(target);
        }
        let mut xattrs = BTreeMap::new();
        for (key, value) in &self.values {
            let Some(name) = key.strip_prefix(SCHILY_XATTR) else { continue };
            match std::str::from_utf8(name) {
                Ok(name) => drop(xattrs.insert(name.to_owned(), value.clone())),
                Err(_) => troubles.push("an attribute whose name is not UTF-8 is left out".to_owned()),
            }
        }
        for (key, name) in [("SCHILY.acl.access", acl::ACCESS), ("SCHILY.acl.default", acl::DEFAULT)] {
            // The attribute itself, where both are there, is the one that needs no translation.
            let Some(text) = self.get(key).filter(|_| !xattrs.contains_key(name)) else { continue };
            match acl::binary(text) {
                Ok(value) => drop(xattrs.insert(name.to_owned(), value)),
                Err(why) => troubles.push(why),
            }
        }
        // What only says what the mode says is kept by the file system in the mode alone.
        xattrs.retain(|name, value| !(name == acl::ACCESS && acl::is_trivial(value)));
        attributes.xattrs = xattrs.into_iter().collect();
        Ok(troubles)
    }
}

const SCHILY_XATTR: &[u8] = b"SCHILY.xattr.";

fn number(value: &[u8]) -> Result<u64, ArchiveError> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| ArchiveError::damaged("a number in an extended header of it makes no sense"))
}

/// Seconds since 1970, with a fraction, maybe negative.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: u32 = format!("{fraction:0<9.9}").parse().ok()?;
    // Time stamps count nanoseconds from the second before.
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(content: &[u8]) -> Result<Records, ArchiveError> {
        let mut records = Records::default();
        records.add(content).map(|()| records)
    }

    #[test]
    fn records_end_where_their_length_says() {
        let all = b"30 SCHILY.acl.access=u::rw-\n\n\n14 path=a\nb=c\n".as_slice();
        let length = "SCHILY.acl.access=u::rw-\n\n\n".len() + 3;
        assert_eq!(length, 30);
        let found = records(all).unwrap();
        assert_eq!(found.get("SCHILY.acl.access"), Some(b"u::rw-\n\n".as_slice()));
        assert_eq!(found.get("path"), Some(b"a\nb=c".as_slice()));
        for bad in
            [b"8 path=a\n".as_slice(), b"99 path=a\n", b"path=a\n", b"8 path=ab", b"7 path\n", b"-1 a=b\n", b"3 \n"]
        {
            assert!(records(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn an_empty_value_takes_an_earlier_one_back() {
        let mut found = records(b"8 uid=1\n").unwrap();
        found.add(b"7 uid=\n").unwrap();
        assert_eq!(found.number("uid").unwrap(), None);
    }

    #[test]
    fn times_are_read_to_the_nanosecond() {
        assert_eq!(time(b"1769177130.123456789"), Some((1_769_177_130, 123_456_789)));
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time(b"-0.5"), Some((-1, 500_000_000)));
        assert_eq!(time(b"7"), Some((7, 0)));
        for bad in [b"".as_slice(), b"x", b"1.x", b"1.-5", b"99999999999999999999"] {
            assert_eq!(time(bad), None, "{}", bad.escape_ascii());
        }
    }
}
