//! POSIX ACLs as GNU tar and star write them (`SCHILY.acl.*`: text) and as Linux keeps them (an attribute: bytes).

/// Where Linux keeps who may do what.
pub(super) const ACCESS: &str = "system.posix_acl_access";
/// Where it keeps what is inherited.
pub(super) const DEFAULT: &str = "system.posix_acl_default";

// linux/posix_acl_xattr.h
const VERSION: u32 = 2;
const NO_ID: u32 = u32::MAX;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// The attribute of an ACL in words: entries `user:1000:rw-`, by line or comma, with comments. Why there is none, as a
/// sentence.
pub(super) fn binary(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(text);
    let mut entries = Vec::new();
    for line in text.split(['\n', ',']) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let entry = entry(line)
                .ok_or_else(|| format!("its ACL is left out: `{}` names nobody by number", line.escape_debug()))?;
            entries.push(entry);
        }
    }
    entries.sort_unstable();
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Ok(value)
}

/// Tag, whom it names, and permissions.
fn entry(line: &str) -> Option<(u16, u32, u16)> {
    let parts: Vec<&str> = line.split(':').map(str::trim).collect();
    // star adds the number behind the name.
    let (kind, name, permissions, number) = match parts.as_slice() {
        [kind @ ("mask" | "m" | "other" | "o"), permissions] => (*kind, "", *permissions, ""),
        [kind, name, permissions] => (*kind, *name, *permissions, *name),
        [kind, name, permissions, number] => (*kind, *name, *permissions, *number),
        _ => return None,
    };
    let permissions = permissions.get(..3)?.bytes().zip([(b'r', 4), (b'w', 2), (b'x', 1)]);
    let mut bits = 0;
    for (byte, (letter, bit)) in permissions {
        match byte {
            b'-' => {}
            byte if byte == letter => bits |= bit,
            _ => return None,
        }
    }
    let tag = match (kind, name.is_empty()) {
        ("user" | "u", true) => USER_OBJ,
        ("user" | "u", false) => USER,
        ("group" | "g", true) => GROUP_OBJ,
        ("group" | "g", false) => GROUP,
        ("mask" | "m", _) => MASK,
        ("other" | "o", _) => OTHER,
        _ => return None,
    };
    let id = if matches!(tag, USER | GROUP) { number.parse().ok()? } else { NO_ID };
    Some((tag, id, bits))
}

/// Whether an ACL says no more than a mode can.
pub(super) fn is_trivial(value: &[u8]) -> bool {
    let tags = value.get(4..).unwrap_or_default().chunks_exact(8).map(|entry| u16::from_le_bytes([entry[0], entry[1]]));
    tags.into_iter().all(|tag| matches!(tag, USER_OBJ | GROUP_OBJ | OTHER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_in_words_becomes_the_attribute() {
        let gnu = b"user::rw-\nuser:1000:rwx\ngroup::r--\nmask::rwx\nother::r--\n";
        let value = binary(gnu).unwrap();
        let expected = "0200000001000600ffffffff02000700e803000004000400ffffffff10000700ffffffff20000400ffffffff";
        assert_eq!(hex::encode(&value), expected);
        assert_eq!(binary(b"user::rw-,user:joe:rwx:1000,group::r--,mask::rwx,other::r--").unwrap(), value);
        assert!(!is_trivial(&value) && is_trivial(&binary(b"u::rw-,g::r--,o::r--").unwrap()));
        assert!(binary(b"user::rw-,user:joe:rwx,group::r--,other::r--").unwrap_err().contains("user:joe:rwx"));
        assert!(binary(b"user::rwz").is_err() && binary(b"who::rwx").is_err() && binary(b"x").is_err());
    }
}
