//! Reads the members of a struct out of the text of a C header and compares two such lists.
//!
//! Pure functions from text to values: [`host`](super::host) brings the text.

/// Why a struct of the running uWSGI is not the one that pycow was written for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The header has no such struct.
    #[error("its header has no struct {0}")]
    Missing(&'static str),
    /// A member differs: struct, pycow's member, the host's member.
    #[error("struct {0} has \"{2}\" where \"{1}\" is expected")]
    Member(&'static str, String, String),
    /// The host's struct ends early: struct, the last member that pycow needs.
    #[error("struct {0} ends before \"{1}\"")]
    Short(&'static str, String),
}

/// Members of `struct uwsgi_plugin` from the release on that has callbacks around a fork (2.0.21).
pub const MEMBERS_WITH_FORK_HOOKS: usize = 51;

/// The two shared structs of `theirs` are usable for a plugin built with `ours`.
///
/// Options are rows of an array, so the row must be the same. A plugin's table has only ever grown
/// at its end: a shorter one will do if it reaches `atexit`, and so will a longer one.
///
/// Answers how many members the host's table has.
pub fn compatible(ours: &str, theirs: &str) -> Result<usize, HeaderError> {
    let (mine, hosts) = both(ours, theirs, "uwsgi_option")?;
    if hosts.len() > mine.len() {
        let extra = hosts[mine.len()].clone();
        return Err(HeaderError::Member("uwsgi_option", "}".into(), extra));
    }
    same_start("uwsgi_option", &mine, &hosts, mine.len())?;

    let (mine, hosts) = both(ours, theirs, "uwsgi_plugin")?;
    let needed = 1 + mine
        .iter()
        .position(|member| member.contains("(*atexit)"))
        .ok_or(HeaderError::Missing("uwsgi_plugin"))?;
    same_start("uwsgi_plugin", &mine, &hosts, needed)?;
    Ok(hosts.len())
}

fn both(
    ours: &str,
    theirs: &str,
    name: &'static str,
) -> Result<(Vec<String>, Vec<String>), HeaderError> {
    let read = |text| members(text, name).ok_or(HeaderError::Missing(name));
    Ok((read(ours)?, read(theirs)?))
}

/// `theirs` has at least `needed` members, and as far as both lists go they are equal.
fn same_start(
    name: &'static str,
    ours: &[String],
    theirs: &[String],
    needed: usize,
) -> Result<(), HeaderError> {
    for (mine, hosts) in ours.iter().zip(theirs) {
        if mine != hosts {
            return Err(HeaderError::Member(name, mine.clone(), hosts.clone()));
        }
    }
    match ours.get(theirs.len()) {
        Some(absent) if theirs.len() < needed => Err(HeaderError::Short(name, absent.clone())),
        _ => Ok(()),
    }
}

/// The declarations of `struct name { .. };` in order, each with its white space made uniform.
pub fn members(header: &str, name: &str) -> Option<Vec<String>> {
    let text = without_comments(header);
    let open = format!("struct {name} {{");
    let body = &text[text.find(&open)? + open.len()..];
    let body = &body[..body.find('}')?];
    Some(
        body.split(';')
            .map(uniform)
            .filter(|member| !member.is_empty())
            .collect(),
    )
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("/*").into_iter().chain(rest.find("//")).min() {
        out.push_str(&rest[..start]);
        let end = if rest[start..].starts_with("/*") {
            "*/"
        } else {
            "\n"
        };
        rest = rest[start..]
            .find(end)
            .map_or("", |length| &rest[start + length + end.len()..]);
        out.push('\n');
    }
    out.push_str(rest);
    out
}

/// One blank between two words, none beside punctuation: `void * ( *f ) (int)` is `void*(*f)(int)`.
fn uniform(declaration: &str) -> String {
    let mut out = String::new();
    let mut blank = false;
    for c in declaration.chars() {
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if blank && word(c) && out.chars().last().is_some_and(word) {
            out.push(' ');
        }
        blank = false;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = include_str!("../../uwsgi-headers/plugin.h");

    #[test]
    fn comments_and_white_space_do_not_count() {
        let text =
            "struct a { // no; member\n int  x ; /* y; */ void (*f) (struct b *, char * *);\n};";
        assert_eq!(
            members(text, "a").unwrap(),
            ["int x", "void(*f)(struct b*,char**)"]
        );
    }

    #[test]
    fn our_own_header_is_compatible_with_itself() {
        assert_eq!(compatible(HEADER, HEADER), Ok(MEMBERS_WITH_FORK_HOOKS));
        assert_eq!(members(HEADER, "uwsgi_option").unwrap().len(), 7);
        assert_eq!(members(HEADER, "uwsgi_plugin").unwrap().len(), 51);
    }

    #[test]
    fn a_table_may_be_longer_or_shorter_at_its_end() {
        let longer = HEADER.replace(
            "void (*post_uwsgi_fork) (int);",
            "void (*post_uwsgi_fork) (int); int (*later) (void);",
        );
        assert_eq!(compatible(HEADER, &longer), Ok(52));
        let shorter = HEADER.replace("void (*post_uwsgi_fork) (int);", "");
        assert_eq!(compatible(HEADER, &shorter), Ok(50));
    }

    #[test]
    fn every_other_difference_is_named() {
        let renamed = HEADER.replace("void (*fixup) (void)", "void (*fixup) (int)");
        let error = compatible(HEADER, &renamed).unwrap_err().to_string();
        assert_eq!(
            error,
            "struct uwsgi_plugin has \"void(*fixup)(int)\" where \"void(*fixup)(void)\" is expected"
        );

        let wider = HEADER.replace("uint64_t flags;", "uint64_t flags; int more;");
        assert!(matches!(
            compatible(HEADER, &wider),
            Err(HeaderError::Member("uwsgi_option", ..))
        ));

        let end = HEADER.find("void (*atexit)").unwrap();
        let cut = format!("{}}};", &HEADER[..end]);
        assert_eq!(
            compatible(HEADER, &cut).unwrap_err(),
            HeaderError::Short("uwsgi_plugin", "void(*atexit)(void)".into())
        );

        assert_eq!(
            compatible(HEADER, "").unwrap_err(),
            HeaderError::Missing("uwsgi_option")
        );
    }
}
