//! `token(pk) > ...`: a range of the ring.

use ilium_cql::murmur3::Token;
use ilium_cql::schema::Table;
use ilium_store::{Error, Result};

use crate::term::{Env, Term, Value};

#[derive(Debug, Clone)]
pub(super) enum TokenRestriction {
    Equal(Term),
    /// A bound and whether it is part of the range.
    Slice {
        start: Option<(Term, bool)>,
        end: Option<(Term, bool)>,
    },
}

/// Tokens from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::select) struct TokenRange {
    pub from: Token,
    pub through: Token,
}

impl TokenRange {
    pub const ALL: TokenRange = TokenRange { from: Token::MIN, through: Token::MAX };
}

impl TokenRestriction {
    pub fn slice(start: Option<(Term, bool)>, end: Option<(Term, bool)>) -> TokenRestriction {
        TokenRestriction::Slice { start, end }
    }

    pub fn and(self, other: TokenRestriction, table: &Table) -> Result<TokenRestriction> {
        let names = || table.partition_key().map(|column| &*column.name).collect::<Vec<_>>().join(", ");
        let (start, end, other_start, other_end) = match (self, other) {
            (TokenRestriction::Equal(_), _) => {
                return Err(Error::invalid(format!(
                    "{} cannot be restricted by more than one relation if it includes an Equal",
                    names()
                )));
            }
            (TokenRestriction::Slice { .. }, TokenRestriction::Equal(_)) => {
                return Err(Error::invalid(format!(
                    "Columns \"{}\" cannot be restricted by both an equality and an inequality relation",
                    names()
                )));
            }
            (TokenRestriction::Slice { start, end }, TokenRestriction::Slice { start: s, end: e }) => {
                (start, end, s, e)
            }
        };
        if start.is_some() && other_start.is_some() {
            return Err(Error::invalid(format!(
                "More than one restriction was found for the start bound on {}",
                names()
            )));
        }
        if end.is_some() && other_end.is_some() {
            return Err(Error::invalid(format!(
                "More than one restriction was found for the end bound on {}",
                names()
            )));
        }
        Ok(TokenRestriction::Slice { start: start.or(other_start), end: end.or(other_end) })
    }

    /// The part of the ring to read; `None`: nothing. The least token stands for no bound at all, as in Cassandra,
    /// where no key has it.
    pub fn range(&self, env: &Env<'_>) -> Result<Option<TokenRange>> {
        let (start, end) = self.bounds(env)?;
        let start = start.filter(|(token, _)| *token != Token::MIN);
        let end = end.filter(|(token, _)| *token != Token::MIN);
        let from = match start {
            None => Some(Token::MIN),
            Some((token, true)) => Some(token),
            Some((token, false)) => token.0.checked_add(1).map(Token),
        };
        let through = match end {
            None => Some(Token::MAX),
            Some((token, true)) => Some(token),
            Some((token, false)) => token.0.checked_sub(1).map(Token),
        };
        Ok(match (from, through) {
            (Some(from), Some(through)) if from <= through => Some(TokenRange { from, through }),
            _ => None,
        })
    }

    /// Whether a key of this token is asked for, where the keys themselves are named. Bounds that are the wrong way
    /// round then mean the outside, as in Cassandra's `TokenFilter`.
    pub fn admits(&self, token: Token, env: &Env<'_>) -> Result<bool> {
        let (start, end) = self.bounds(env)?;
        let after = |(bound, inclusive): (Token, bool)| token > bound || (inclusive && token == bound);
        let before = |(bound, inclusive): (Token, bool)| token < bound || (inclusive && token == bound);
        Ok(match (start, end) {
            (Some(start), Some(end)) if start.0 > end.0 => after(start) || before(end),
            (start, end) => start.is_none_or(after) && end.is_none_or(before),
        })
    }

    #[expect(clippy::type_complexity, reason = "a pair of optional bounds says it best")]
    fn bounds(&self, env: &Env<'_>) -> Result<(Option<(Token, bool)>, Option<(Token, bool)>)> {
        match self {
            TokenRestriction::Equal(term) => {
                let token = token_of(term, env)?;
                Ok((Some((token, true)), Some((token, true))))
            }
            TokenRestriction::Slice { start, end } => {
                let bound = |bound: &Option<(Term, bool)>| {
                    bound
                        .as_ref()
                        .map(|(term, inclusive)| Ok::<_, Error>((token_of(term, env)?, *inclusive)))
                        .transpose()
                };
                Ok((bound(start)?, bound(end)?))
            }
        }
    }
}

fn token_of(term: &Term, env: &Env<'_>) -> Result<Token> {
    match term.evaluate(env)? {
        Value::Null => Err(Error::invalid("Invalid null token value")),
        Value::Unset => Err(Error::invalid("Invalid unset value for column partition key token")),
        Value::Bytes(bytes) => match bytes.first_chunk::<8>() {
            Some(token) => Ok(Token(i64::from_be_bytes(*token))),
            None => Err(Error::invalid("Invalid null token value")),
        },
    }
}
