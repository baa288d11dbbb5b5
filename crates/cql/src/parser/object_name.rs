//! JMX object names, `domain:key=value,...`, as `javax.management.ObjectName` accepts them.

use std::collections::HashSet;

/// Whether a name stands for one bean or for all that match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectName {
    Single,
    Pattern,
}

/// What `name` is, if it is an object name.
pub(super) fn object_name(name: &str) -> Option<ObjectName> {
    let (domain, mut properties) = name.split_once(':')?;
    if domain.contains('\n') || properties.is_empty() {
        return None;
    }
    let mut pattern = has_wildcard(domain);
    let mut keys = HashSet::new();
    loop {
        if let Some(rest) = properties.strip_prefix('*')
            && (rest.is_empty() || rest.starts_with(','))
        {
            pattern = true;
            match rest.strip_prefix(',') {
                None => break,
                Some("") => return None,
                Some(more) => properties = more,
            }
            continue;
        }
        let (key, rest) = properties.split_once('=')?;
        if key.is_empty() || key.contains([',', ':', '"', '*', '?', '\n']) || !keys.insert(key) {
            return None;
        }
        let length = value_length(rest)?;
        let (value, rest) = rest.split_at_checked(length)?;
        pattern |= has_wildcard(value);
        match rest.strip_prefix(',') {
            None if rest.is_empty() => break,
            None | Some("") => return None,
            Some(more) => properties = more,
        }
    }
    Some(if pattern { ObjectName::Pattern } else { ObjectName::Single })
}

/// The length of the value that `text` starts with, quoted or not.
fn value_length(text: &str) -> Option<usize> {
    if !text.starts_with('"') {
        let length = text.find(',').unwrap_or(text.len());
        let value = text.get(..length)?;
        return (!value.contains(['=', ':', '"', '\n'])).then_some(length);
    }
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped && !matches!(c, '\\' | '"' | '?' | '*' | 'n') => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(i + 1),
            '\n' => return None,
            _ => (),
        }
    }
    None
}

/// Whether a `*` or `?` stands here that no backslash escapes.
fn has_wildcard(text: &str) -> bool {
    let mut escaped = false;
    text.chars().any(|c| {
        let wild = !escaped && matches!(c, '*' | '?');
        escaped = !escaped && c == '\\';
        wild
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_and_patterns_are_told_from_other_text() {
        assert_eq!(object_name("org.apache:type=Foo,name=a"), Some(ObjectName::Single));
        assert_eq!(object_name("org.apache:type=*"), Some(ObjectName::Pattern));
        assert_eq!(object_name("org.*:type=Foo"), Some(ObjectName::Pattern));
        assert_eq!(object_name("org.apache:*"), Some(ObjectName::Pattern));
        assert_eq!(object_name("org.apache:type=Foo,*"), Some(ObjectName::Pattern));
        assert_eq!(object_name(r#"d:k="a,\"b\"""#), Some(ObjectName::Single));
        for wrong in ["", "d", "d:", "d:k", "d:=v", "d:k=v,", "d:k=v,k=w", "d:k=\"v", "d:k=a=b", "d:k=v,*,"] {
            assert_eq!(object_name(wrong), None, "{wrong}");
        }
    }
}
