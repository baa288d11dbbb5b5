//! CREATE, ALTER and DROP: what they apply to.

use super::Parser;
use super::error::Parse;
use crate::ast::{AlterKeyspace, QualifiedName, Statement};
use crate::lexer::Keyword;

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Parse<Statement> {
        self.advance();
        match self.keyword() {
            Some(Keyword::Keyspace) => self.create_keyspace(),
            Some(Keyword::Table) => self.create_table(),
            Some(Keyword::Type) => self.create_type(),
            Some(Keyword::Index | Keyword::Custom) => self.create_index(),
            Some(Keyword::Materialized) => self.create_view(),
            Some(Keyword::Or | Keyword::Function | Keyword::Aggregate) => self.create_routine(),
            Some(Keyword::Trigger) => self.create_trigger(),
            Some(Keyword::Role) => self.create_role(),
            Some(Keyword::User) => self.create_user(),
            _ => self.no_viable("what to create"),
        }
    }

    pub(super) fn alter(&mut self) -> Parse<Statement> {
        self.advance();
        match self.keyword() {
            Some(Keyword::Keyspace) => {
                self.advance();
                let if_exists = self.if_exists()?;
                let name = self.keyspace_name()?;
                self.expect_keyword(Keyword::With)?;
                let options = self.properties()?;
                Ok(Statement::AlterKeyspace(AlterKeyspace { name, if_exists, options }))
            }
            Some(Keyword::Table) => self.alter_table(),
            Some(Keyword::Type) => self.alter_type(),
            Some(Keyword::Materialized) => self.alter_view(),
            Some(Keyword::Role) => self.alter_role(),
            Some(Keyword::User) => self.alter_user(),
            _ => self.no_viable("what to alter"),
        }
    }

    pub(super) fn drop(&mut self) -> Parse<Statement> {
        self.advance();
        let what = self.keyword();
        if !matches!(
            what,
            Some(
                Keyword::Keyspace
                    | Keyword::Table
                    | Keyword::Type
                    | Keyword::Index
                    | Keyword::Materialized
                    | Keyword::Function
                    | Keyword::Aggregate
                    | Keyword::Trigger
                    | Keyword::Role
                    | Keyword::User
                    | Keyword::Identity
            )
        ) {
            return self.no_viable("what to drop");
        }
        self.advance();
        if what == Some(Keyword::Materialized) {
            self.expect_keyword(Keyword::View)?;
        }
        let if_exists = self.if_exists()?;
        Ok(match what {
            Some(Keyword::Keyspace) => Statement::DropKeyspace { name: self.keyspace_name()?, if_exists },
            Some(Keyword::Table) => Statement::DropTable { name: self.table_name()?, if_exists },
            Some(Keyword::Type) => Statement::DropType { name: self.user_type_name()?, if_exists },
            Some(Keyword::Index) => Statement::DropIndex { name: self.index_name()?, if_exists },
            Some(Keyword::Materialized) => Statement::DropView { name: self.table_name()?, if_exists },
            Some(Keyword::Function) => {
                let (name, arguments) = self.routine_reference()?;
                Statement::DropFunction { name, arguments, if_exists }
            }
            Some(Keyword::Aggregate) => {
                let (name, arguments) = self.routine_reference()?;
                Statement::DropAggregate { name, arguments, if_exists }
            }
            Some(Keyword::Trigger) => {
                let name = self.identifier()?;
                self.expect_keyword(Keyword::On)?;
                Statement::DropTrigger { name, table: self.table_name()?, if_exists }
            }
            Some(Keyword::Role) => Statement::DropRole { name: self.role_name()?, if_exists },
            Some(Keyword::User) => Statement::DropUser { name: self.user_name()?, if_exists },
            _ => Statement::DropIdentity { identity: self.identity()?, if_exists },
        })
    }

    fn index_name(&mut self) -> Parse<QualifiedName> {
        self.qualified_name("index")
    }

    fn create_trigger(&mut self) -> Parse<Statement> {
        self.advance();
        let if_not_exists = self.if_not_exists()?;
        let name = self.identifier()?;
        self.expect_keyword(Keyword::On)?;
        let table = self.table_name()?;
        self.expect_keyword(Keyword::Using)?;
        let class = self.string()?;
        Ok(Statement::CreateTrigger { name, table, class, if_not_exists })
    }
}
