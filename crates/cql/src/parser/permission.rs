//! GRANT, REVOKE and LIST.

use super::error::Parse;
use super::names::is_identifier;
use super::object_name::{ObjectName, object_name};
use super::{Parser, SyntaxErrorKind};
use crate::ast::{ListPermissions, Permission, Permissions, Resource, Span, Statement};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    pub(super) fn grant(&mut self) -> Parse<Statement> {
        self.advance();
        if self.names_role(Keyword::To) {
            let role = self.role_name()?;
            self.expect_keyword(Keyword::To)?;
            return Ok(Statement::GrantRole { role, to: self.role_name()? });
        }
        let (permissions, resource) = self.permissions_on()?;
        self.expect_keyword(Keyword::To)?;
        let to = self.role_name()?;
        self.check_applicable(&permissions, &resource)?;
        Ok(Statement::Grant { permissions, resource, to })
    }

    pub(super) fn revoke(&mut self) -> Parse<Statement> {
        self.advance();
        if self.names_role(Keyword::From) {
            let role = self.role_name()?;
            self.expect_keyword(Keyword::From)?;
            return Ok(Statement::RevokeRole { role, from: self.role_name()? });
        }
        let (permissions, resource) = self.permissions_on()?;
        self.expect_keyword(Keyword::From)?;
        let from = self.role_name()?;
        self.check_applicable(&permissions, &resource)?;
        Ok(Statement::Revoke { permissions, resource, from })
    }

    /// Whether a role stands here and not a permission. ALL and some permissions may be a role's name; what follows
    /// it, here `next`, tells.
    fn names_role(&self, next: Keyword) -> bool {
        match self.kind() {
            TokenKind::String | TokenKind::Question => true,
            TokenKind::Keyword(Keyword::All | Keyword::Unmask | Keyword::SelectMasked) => {
                self.keyword_follows(1, next)
            }
            kind => is_identifier(kind),
        }
    }

    pub(super) fn list(&mut self) -> Parse<Statement> {
        self.advance();
        match self.keyword() {
            Some(Keyword::Users) => {
                self.advance();
                Ok(Statement::ListUsers)
            }
            Some(Keyword::Roles) => {
                self.advance();
                let of = if self.accept_keyword(Keyword::Of) { Some(self.role_name()?) } else { None };
                let no_recursive = self.accept_keyword(Keyword::NoRecursive);
                Ok(Statement::ListRoles { of, no_recursive })
            }
            _ => {
                let permissions = self.permissions()?;
                let resource = if self.accept_keyword(Keyword::On) { Some(self.resource()?) } else { None };
                let of = if self.accept_keyword(Keyword::Of) { Some(self.role_name()?) } else { None };
                let no_recursive = self.accept_keyword(Keyword::NoRecursive);
                Ok(Statement::ListPermissions(ListPermissions { permissions, resource, of, no_recursive }))
            }
        }
    }

    fn permissions_on(&mut self) -> Parse<(Permissions, Resource)> {
        let permissions = self.permissions()?;
        self.expect_keyword(Keyword::On)?;
        Ok((permissions, self.resource()?))
    }

    /// At least one of the permissions must be of use on the resource.
    fn check_applicable(&self, permissions: &Permissions, resource: &Resource) -> Parse<()> {
        if let (Permissions::Some(some), Some((kind, applicable))) = (permissions, applicable(resource))
            && !some.iter().any(|permission| applicable.contains(permission))
        {
            let message = format!("Resource type {kind} does not support any of the requested permissions");
            return self.refuse(message, Span::default());
        }
        Ok(())
    }

    fn permissions(&mut self) -> Parse<Permissions> {
        if self.accept_keyword(Keyword::All) {
            self.accept_keyword(Keyword::Permissions);
            return Ok(Permissions::All);
        }
        let permissions = self.comma_separated(|p| {
            let permission = match p.keyword() {
                Some(Keyword::Create) => Permission::Create,
                Some(Keyword::Alter) => Permission::Alter,
                Some(Keyword::Drop) => Permission::Drop,
                Some(Keyword::Select) => Permission::Select,
                Some(Keyword::Modify) => Permission::Modify,
                Some(Keyword::Authorize) => Permission::Authorize,
                Some(Keyword::Describe) => Permission::Describe,
                Some(Keyword::Execute) => Permission::Execute,
                Some(Keyword::Unmask) => Permission::Unmask,
                Some(Keyword::SelectMasked) => Permission::SelectMasked,
                _ => return p.no_viable("a permission"),
            };
            p.advance();
            p.accept_keyword(Keyword::Permission);
            Ok(permission)
        })?;
        Ok(Permissions::Some(permissions))
    }

    fn resource(&mut self) -> Parse<Resource> {
        // ROLE, FUNCTION, MBEAN and ALL alone are tables of that name.
        let next = self.kind_at(1);
        match self.keyword() {
            Some(Keyword::Keyspace) => {
                self.advance();
                Ok(Resource::Keyspace(self.keyspace_name()?))
            }
            Some(Keyword::Table) => {
                self.advance();
                Ok(Resource::Table(self.table_name()?))
            }
            Some(Keyword::All) if is_identifier(next) => {
                self.advance();
                self.all_of()
            }
            Some(Keyword::Role)
                if is_identifier(next) || matches!(next, TokenKind::String | TokenKind::Question) =>
            {
                self.advance();
                Ok(Resource::Role(self.role_name()?))
            }
            Some(Keyword::Function)
                if is_identifier(next) || matches!(next, TokenKind::Keyword(Keyword::Token)) =>
            {
                self.advance();
                let name = self.function_name()?;
                let arguments = self.argument_types()?;
                if name.keyspace.is_none() {
                    let message = "In this context function name must be explictly qualified by a keyspace";
                    return self.refuse_as(SyntaxErrorKind::Invalid, message, name.name.span);
                }
                Ok(Resource::Function { name, arguments })
            }
            Some(Keyword::MBean) if next == TokenKind::String => {
                self.advance();
                Ok(Resource::MBean(self.mbean(false)?))
            }
            Some(Keyword::MBeans) if next == TokenKind::String => {
                self.advance();
                Ok(Resource::MBeans(self.mbean(true)?))
            }
            _ => Ok(Resource::Table(self.table_name()?)),
        }
    }

    /// What follows ALL.
    fn all_of(&mut self) -> Parse<Resource> {
        let what = self.keyword();
        match what {
            Some(
                Keyword::Keyspaces | Keyword::Tables | Keyword::Roles | Keyword::Functions | Keyword::MBeans,
            ) => self.advance(),
            _ => return self.no_viable("KEYSPACES, TABLES, ROLES, FUNCTIONS or MBEANS"),
        };
        match what {
            Some(Keyword::Keyspaces) => Ok(Resource::AllKeyspaces),
            Some(Keyword::Roles) => Ok(Resource::AllRoles),
            Some(Keyword::MBeans) => Ok(Resource::AllMBeans),
            Some(Keyword::Functions) if !self.at_keyword(Keyword::In) => Ok(Resource::AllFunctions),
            _ => {
                self.expect_keyword(Keyword::In)?;
                self.expect_keyword(Keyword::Keyspace)?;
                let keyspace = self.keyspace_name()?;
                Ok(match what {
                    Some(Keyword::Functions) => Resource::AllFunctionsIn(keyspace),
                    _ => Resource::AllTables(keyspace),
                })
            }
        }
    }

    fn mbean(&mut self, plural: bool) -> Parse<String> {
        let token = self.peek();
        let span = Span { start: token.start, end: token.end };
        let name = self.string()?;
        if name.is_empty() {
            return self.refuse("Empty JMX object name supplied", span);
        }
        if name == "*:*" {
            return self.refuse("Please use ALL MBEANS instead of wildcard pattern", span);
        }
        match object_name(&name) {
            None => self.refuse(format!("{name} is not a valid JMX object name"), span),
            Some(ObjectName::Single) if plural => {
                let message = format!("Plural form used, but non-pattern JMX object name specified ({name})");
                self.refuse(message, span)
            }
            Some(_) => Ok(name),
        }
    }
}

/// The name of a resource's Java class and the permissions it can have, for those whose permissions do not depend on
/// what exists.
fn applicable(resource: &Resource) -> Option<(&'static str, &'static [Permission])> {
    use Permission as P;
    const TABLE: [Permission; 7] =
        [P::Alter, P::Drop, P::Select, P::Modify, P::Authorize, P::Unmask, P::SelectMasked];
    const TABLES: [Permission; 8] =
        [P::Create, P::Alter, P::Drop, P::Select, P::Modify, P::Authorize, P::Unmask, P::SelectMasked];
    const ROLE: [Permission; 4] = [P::Alter, P::Drop, P::Authorize, P::Describe];
    const ROLES: [Permission; 5] = [P::Create, P::Alter, P::Drop, P::Authorize, P::Describe];
    const FUNCTIONS: [Permission; 5] = [P::Create, P::Alter, P::Drop, P::Authorize, P::Execute];
    const JMX: [Permission; 5] = [P::Authorize, P::Describe, P::Execute, P::Modify, P::Select];
    Some(match resource {
        Resource::AllKeyspaces | Resource::Keyspace(_) | Resource::AllTables(_) => ("DataResource", &TABLES),
        Resource::Table(_) => ("DataResource", &TABLE),
        Resource::AllRoles => ("RoleResource", &ROLES),
        Resource::Role(_) => ("RoleResource", &ROLE),
        Resource::AllFunctions | Resource::AllFunctionsIn(_) => ("FunctionResource", &FUNCTIONS),
        Resource::AllMBeans | Resource::MBean(_) | Resource::MBeans(_) => ("JMXResource", &JMX),
        Resource::Function { .. } => return None,
    })
}
