//! Roles, users and identities.

use std::mem::discriminant;

use super::Parser;
use super::error::Parse;
use crate::ast::{AlterRole, AlterUser, CreateRole, CreateUser, RoleName, RoleOption, Span, Statement};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    pub(super) fn role_name(&mut self) -> Parse<RoleName> {
        if self.at(TokenKind::String) {
            return Ok(RoleName { text: self.string()? });
        }
        Ok(RoleName { text: self.object_name("role")?.text })
    }

    /// A user's name keeps its case even without quotes.
    pub(super) fn user_name(&mut self) -> Parse<RoleName> {
        let refusal =
            "Quoted strings are are not supported for user names and USER is deprecated, please use ROLE";
        Ok(RoleName { text: self.verbatim(refusal)? })
    }

    pub(super) fn identity(&mut self) -> Parse<String> {
        self.verbatim("Quoted strings are are not supported for identity")
    }

    /// A string, or a word as it stands; `refusal` is for a quoted name.
    fn verbatim(&mut self, refusal: &str) -> Parse<String> {
        let token = self.peek();
        match token.kind {
            TokenKind::String => self.string(),
            TokenKind::Identifier => {
                self.advance();
                Ok(self.source(token).to_owned())
            }
            TokenKind::QuotedName => self.refuse(refusal, Span { start: token.start, end: token.end }),
            _ => self.no_viable("a string or a plain word"),
        }
    }

    pub(super) fn create_role(&mut self) -> Parse<Statement> {
        self.advance();
        let if_not_exists = self.if_not_exists()?;
        let name = self.role_name()?;
        Ok(Statement::CreateRole(CreateRole { name, if_not_exists, options: self.role_options()? }))
    }

    pub(super) fn alter_role(&mut self) -> Parse<Statement> {
        self.advance();
        let if_exists = self.if_exists()?;
        let name = self.role_name()?;
        Ok(Statement::AlterRole(AlterRole { name, if_exists, options: self.role_options()? }))
    }

    pub(super) fn create_user(&mut self) -> Parse<Statement> {
        self.advance();
        let if_not_exists = self.if_not_exists()?;
        let name = self.user_name()?;
        let password = self.user_password()?;
        let superuser = self.superuser().unwrap_or(false);
        Ok(Statement::CreateUser(CreateUser { name, if_not_exists, password, superuser }))
    }

    pub(super) fn alter_user(&mut self) -> Parse<Statement> {
        self.advance();
        let if_exists = self.if_exists()?;
        let name = self.user_name()?;
        let password = self.user_password()?;
        let superuser = self.superuser();
        Ok(Statement::AlterUser(AlterUser { name, if_exists, password, superuser }))
    }

    /// SUPERUSER or NOSUPERUSER.
    fn superuser(&mut self) -> Option<bool> {
        if self.accept_keyword(Keyword::Superuser) {
            return Some(true);
        }
        self.accept_keyword(Keyword::NoSuperuser).then_some(false)
    }

    /// `WITH [HASHED] PASSWORD 'text'`: without the `=` that a role's password has.
    fn user_password(&mut self) -> Parse<Option<RoleOption>> {
        if !self.accept_keyword(Keyword::With) {
            return Ok(None);
        }
        match self.keyword() {
            Some(Keyword::Password) => {
                self.advance();
                Ok(Some(RoleOption::Password(self.string()?)))
            }
            Some(Keyword::Hashed) => {
                self.advance();
                self.expect_keyword(Keyword::Password)?;
                Ok(Some(RoleOption::HashedPassword(self.string()?)))
            }
            _ => self.no_viable("PASSWORD or HASHED PASSWORD"),
        }
    }

    fn role_options(&mut self) -> Parse<Vec<RoleOption>> {
        let mut options = Vec::new();
        if !self.accept_keyword(Keyword::With) {
            return Ok(options);
        }
        // One of each kind: there are ten at most, however many options there are.
        let mut seen: Vec<RoleOption> = Vec::new();
        loop {
            let start = self.start();
            let option = self.role_option()?;
            if let Some(problem) = seen.iter().find_map(|old| conflict(old, &option)) {
                return self.refuse(problem, self.span_from(start));
            }
            if !seen.iter().any(|old| discriminant(old) == discriminant(&option)) {
                seen.push(option.clone());
            }
            options.push(option);
            if !self.accept_keyword(Keyword::And) {
                break;
            }
        }
        let plain = seen.iter().any(|o| matches!(o, RoleOption::Password(_)));
        let hashed = seen.iter().any(|o| matches!(o, RoleOption::HashedPassword(_)));
        if plain && hashed {
            let message = "Options 'password' and 'hashed password' are mutually exclusive";
            return self.refuse(message, Span::default());
        }
        Ok(options)
    }

    fn role_option(&mut self) -> Parse<RoleOption> {
        let what = self.keyword();
        match what {
            Some(Keyword::Password | Keyword::Options | Keyword::Superuser | Keyword::Login) => {
                self.advance();
            }
            Some(Keyword::Hashed) => {
                self.advance();
                self.expect_keyword(Keyword::Password)?;
            }
            Some(Keyword::Access) => return self.access(),
            _ => return self.no_viable("a role option"),
        }
        self.expect(TokenKind::Equal)?;
        Ok(match what {
            Some(Keyword::Password) => RoleOption::Password(self.string()?),
            Some(Keyword::Hashed) => RoleOption::HashedPassword(self.string()?),
            Some(Keyword::Options) => RoleOption::Options(self.property_map()?),
            Some(Keyword::Superuser) => RoleOption::SuperUser(self.boolean()?),
            _ => RoleOption::Login(self.boolean()?),
        })
    }

    fn boolean(&mut self) -> Parse<bool> {
        let token = self.expect(TokenKind::Boolean)?;
        Ok(self.source(token).eq_ignore_ascii_case("true"))
    }

    /// `ACCESS TO [ALL] DATACENTERS ...` or `ACCESS FROM [ALL] CIDRS ...`
    fn access(&mut self) -> Parse<RoleOption> {
        self.advance();
        let to = self.accept_keyword(Keyword::To);
        if !to && !self.accept_keyword(Keyword::From) {
            return self.no_viable("TO or FROM");
        }
        let all = self.accept_keyword(Keyword::All);
        self.expect_keyword(if to { Keyword::Datacenters } else { Keyword::Cidrs })?;
        if all {
            return Ok(if to { RoleOption::AccessToAllDatacenters } else { RoleOption::AccessFromAllCidrs });
        }
        self.expect(TokenKind::OpenBrace)?;
        let names = self.comma_separated(Self::string)?;
        self.expect(TokenKind::CloseBrace)?;
        Ok(if to { RoleOption::AccessToDatacenters(names) } else { RoleOption::AccessFromCidrs(names) })
    }

    pub(super) fn add_identity(&mut self) -> Parse<Statement> {
        self.advance();
        self.expect_keyword(Keyword::Identity)?;
        let if_not_exists = self.if_not_exists()?;
        let identity = self.identity()?;
        self.expect_keyword(Keyword::To)?;
        self.expect_keyword(Keyword::Role)?;
        let role = RoleName { text: self.identity()? };
        Ok(Statement::AddIdentity { identity, role, if_not_exists })
    }
}

/// Why `new` cannot follow `old`. Access may be given in several parts, unless one says all; anything else once.
fn conflict(old: &RoleOption, new: &RoleOption) -> Option<String> {
    use RoleOption as R;
    let twice = match (old, new) {
        (R::AccessToAllDatacenters, R::AccessToDatacenters(_)) => return Some("All has been set".to_owned()),
        (R::AccessFromAllCidrs, R::AccessFromCidrs(_)) => return Some("All has been set".to_owned()),
        (R::AccessToDatacenters(_), R::AccessToAllDatacenters) => {
            return Some("DCs have already been set".to_owned());
        }
        (R::AccessFromCidrs(_), R::AccessFromAllCidrs) => {
            return Some("CIDR Groups have already been set".to_owned());
        }
        (R::Password(_), R::Password(_)) => "PASSWORD",
        (R::HashedPassword(_), R::HashedPassword(_)) => "HASHED_PASSWORD",
        (R::SuperUser(_), R::SuperUser(_)) => "SUPERUSER",
        (R::Login(_), R::Login(_)) => "LOGIN",
        (R::Options(_), R::Options(_)) => "OPTIONS",
        _ => return None,
    };
    Some(format!("Multiple definition for property '{twice}'"))
}
