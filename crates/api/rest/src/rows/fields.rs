//! `fields`: the columns of an answer, with commas between.
//!
//! Names are taken as they are, upper case and all. Beyond Stargate, which takes names and elements of maps
//! (`map['key']`) alone: functions, `writetime`, `ttl`, `count(*)`, fields of user-defined types, and `as`.

use ilium_cql::ast::{
    CellMeta, Expr, ExprKind, Literal, LiteralKind, Name, QualifiedName, Selection, Selector,
};
use ilium_cql::schema::Table;
use ilium_http::Refusal;

use crate::statement::{MAX_ALIAS, expr};
use crate::value::column;

/// How deep functions may nest in one another, and elements and fields of one column.
const MAX_DEPTH: u32 = 16;

pub fn parse(text: &str, table: &Table) -> Result<Selection, Refusal> {
    let mut reader = Reader { text, at: 0, table, depth: 0 };
    reader.selection().map_err(|problem| {
        Refusal::bad_request(format!(
            "Invalid 'fields' parameter, problem: {problem} (at character {})",
            reader.at
        ))
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    table: &'a Table,
    depth: u32,
}

impl<'a> Reader<'a> {
    fn selection(&mut self) -> Result<Selection, String> {
        let mut items = Vec::new();
        loop {
            self.skip_blank();
            // Stargate passes over what is empty between commas.
            if !self.rest().is_empty() && !self.rest().starts_with(',') {
                let item = self.whole_name().map_or_else(|| self.selector(), Ok)?;
                items.push(item);
            }
            if !self.accept(',') {
                break;
            }
        }
        if !self.rest().is_empty() {
            return Err(format!("',' expected before '{}'", self.rest()));
        }
        Ok(if items.is_empty() { Selection::All } else { Selection::Items(items) })
    }

    /// What is between two commas where a column has exactly that name: Stargate knows nothing else, and so names may
    /// have blanks and brackets.
    fn whole_name(&mut self) -> Option<Selector> {
        let item = self.rest().split(',').next()?;
        let name = item.trim_end();
        column(self.table, name).ok()?;
        let value = expr(ExprKind::Column(Name::new(name)));
        self.at += item.len();
        Some(Selector { value, alias: None })
    }

    fn selector(&mut self) -> Result<Selector, String> {
        let value = self.value()?;
        let rest = self.rest();
        let word = rest.get(..3).filter(|word| word.eq_ignore_ascii_case("as ")).is_some();
        if !word {
            return Ok(Selector { value, alias: None });
        }
        self.at += 3;
        self.skip_blank();
        let alias = self.name()?;
        if alias.len() > MAX_ALIAS {
            return Err(format!("a name after 'as' may have {MAX_ALIAS} bytes"));
        }
        self.skip_blank();
        Ok(Selector { value, alias: Some(Name::new(alias)) })
    }

    fn value(&mut self) -> Result<Expr, String> {
        self.skip_blank();
        if self.depth == MAX_DEPTH {
            return Err(format!("functions may nest {MAX_DEPTH} deep"));
        }
        if let Some(literal) = self.literal()? {
            return Ok(expr(ExprKind::Literal(literal)));
        }
        let name = self.name()?;
        self.skip_blank();
        if self.accept('(') {
            self.depth += 1;
            let call = self.call(&name);
            self.depth -= 1;
            return call;
        }
        column(self.table, &name)?;
        let mut value = expr(ExprKind::Column(Name::new(name)));
        for steps in 0.. {
            // Whatever walks the expression recurses as deep.
            if steps > MAX_DEPTH {
                return Err(format!("elements and fields may nest {MAX_DEPTH} deep"));
            }
            if self.accept('[') {
                self.skip_blank();
                let key = self.literal()?.ok_or("a key in quotes or a number expected after '['")?;
                self.skip_blank();
                self.expect(']')?;
                let key = Box::new(expr(ExprKind::Literal(key)));
                value = expr(ExprKind::Element { of: Box::new(value), key });
            } else if self.accept('.') {
                let field = Name::new(self.name()?);
                value = expr(ExprKind::Field { of: Box::new(value), field });
            } else {
                break;
            }
        }
        self.skip_blank();
        Ok(value)
    }

    /// What stands between the parentheses of a function.
    fn call(&mut self, name: &str) -> Result<Expr, String> {
        self.skip_blank();
        let lower = name.to_ascii_lowercase();
        if lower == "count" && self.accept('*') {
            self.skip_blank();
            self.expect(')')?;
            self.skip_blank();
            return Ok(expr(ExprKind::CountRows));
        }
        let mut arguments = Vec::new();
        if !self.rest().starts_with(')') {
            arguments.push(self.value()?);
            while self.accept(',') {
                arguments.push(self.value()?);
            }
        }
        self.expect(')')?;
        self.skip_blank();
        let what = match lower.as_str() {
            "writetime" => CellMeta::WriteTime,
            "maxwritetime" => CellMeta::MaxWriteTime,
            "ttl" => CellMeta::Ttl,
            _ => {
                // Names of functions are in lower case, unless they were made in quotes.
                let function = QualifiedName { keyspace: None, name: Name::new(lower) };
                return Ok(expr(ExprKind::Call { function, arguments }));
            }
        };
        match <[Expr; 1]>::try_from(arguments) {
            Ok([of]) => Ok(expr(ExprKind::CellMeta { what, of: Box::new(of) })),
            Err(_) => Err(format!("{name} takes one column")),
        }
    }

    /// A text in single quotes, or a number.
    fn literal(&mut self) -> Result<Option<Literal>, String> {
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('\'') {
            let mut text = String::new();
            let mut chars = quoted.char_indices().peekable();
            while let Some((at, c)) = chars.next() {
                if c != '\'' {
                    text.push(c);
                } else if chars.peek().is_some_and(|(_, next)| *next == '\'') {
                    chars.next();
                    text.push('\'');
                } else {
                    self.at += at + 2;
                    return Ok(Some(Literal { kind: LiteralKind::String, text }));
                }
            }
            return Err("a quote is not closed".to_owned());
        }
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')))
            .unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let digits = word.strip_prefix('-').unwrap_or(word);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(None);
        }
        let kind = if digits.bytes().all(|digit| digit.is_ascii_digit()) {
            LiteralKind::Integer
        } else if word.len() == 36 && word.matches('-').count() == 4 {
            LiteralKind::Uuid
        } else if word.parse::<f64>().is_ok() {
            LiteralKind::Float
        } else {
            return Ok(None);
        };
        self.at += end;
        Ok(Some(Literal { kind, text: word.to_owned() }))
    }

    /// A name as it is, or in double quotes.
    fn name(&mut self) -> Result<String, String> {
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').ok_or("a quote is not closed")?;
            self.at += end + 2;
            return Ok(quoted.get(..end).unwrap_or_default().to_owned());
        }
        let end = rest.find(|c: char| c.is_whitespace() || ",()[].'\"*".contains(c)).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        if name.is_empty() {
            return Err("a name expected".to_owned());
        }
        self.at += end;
        Ok(name.to_owned())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn accept(&mut self, symbol: char) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len_utf8();
        }
        found
    }

    fn expect(&mut self, symbol: char) -> Result<(), String> {
        if self.accept(symbol) { Ok(()) } else { Err(format!("'{symbol}' expected")) }
    }
}
