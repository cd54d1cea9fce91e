//! Who is at the other end of the socket.

/// `user:NAME(UID)`, for the audit trail. The name is the host's own for the user id, where it has one.
pub fn actor(uid: Option<u32>) -> String {
    let Some(uid) = uid else { return "user:unknown".to_owned() };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    format!("user:{}({uid})", name_of(&users, uid).unwrap_or("unnamed"))
}

fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_that_the_host_gives() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\n\nops:x:1000:1000::/home/ops:/bin/sh\n";
        assert_eq!(name_of(users, 0), Some("root"));
        assert_eq!(name_of(users, 1000), Some("ops"));
        assert_eq!(name_of(users, 7), None);
        assert_eq!(actor(None), "user:unknown");
    }
}
