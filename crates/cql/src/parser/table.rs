//! CREATE KEYSPACE and CREATE TABLE.

use super::Parser;
use super::error::Parse;
use crate::ast::{
    CreateKeyspace, CreateTable, Direction, Mask, Name, PrimaryKey, QualifiedName, Statement, TableOptions,
};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    pub(super) fn create_keyspace(&mut self) -> Parse<Statement> {
        self.advance();
        let if_not_exists = self.if_not_exists()?;
        let name = self.keyspace_name()?;
        self.expect_keyword(Keyword::With)?;
        let options = self.properties()?;
        Ok(Statement::CreateKeyspace(CreateKeyspace { name, if_not_exists, options }))
    }

    pub(super) fn create_table(&mut self) -> Parse<Statement> {
        self.advance();
        let if_not_exists = self.if_not_exists()?;
        let name = self.table_name()?;
        let mut table = CreateTable {
            name,
            if_not_exists,
            columns: Vec::new(),
            primary_keys: Vec::new(),
            options: TableOptions::default(),
        };
        self.expect(TokenKind::Open)?;
        self.table_element(&mut table)?;
        // Commas that nothing follows are allowed.
        while self.accept(TokenKind::Comma) {
            if !self.at(TokenKind::Comma) && !self.at(TokenKind::Close) {
                self.table_element(&mut table)?;
            }
        }
        self.expect(TokenKind::Close)?;
        if self.accept_keyword(Keyword::With) {
            table.options = self.table_options()?;
        }
        Ok(Statement::CreateTable(table))
    }

    /// A column, or PRIMARY KEY (...).
    fn table_element(&mut self, table: &mut CreateTable) -> Parse<()> {
        if self.at_keyword(Keyword::Primary) {
            table.primary_keys.push(self.primary_key()?);
            return Ok(());
        }
        let column = self.column_definition()?;
        if self.accept_keyword(Keyword::Primary) {
            self.expect_keyword(Keyword::Key)?;
            let partition = vec![column.name.clone()];
            table.primary_keys.push(PrimaryKey { partition, clustering: Vec::new() });
        }
        table.columns.push(column);
        Ok(())
    }

    /// `MASKED WITH function(...)` or `MASKED WITH DEFAULT`.
    pub(super) fn mask(&mut self) -> Parse<Mask> {
        self.expect_keyword(Keyword::Masked)?;
        self.expect_keyword(Keyword::With)?;
        if self.at_keyword(Keyword::Default) && !self.at_function_call() {
            let token = self.advance();
            let span = crate::ast::Span { start: token.start, end: token.end };
            // What Cassandra's grammar makes of DEFAULT.
            let keyspace = Some(Name { text: "system".to_owned(), span });
            let function = QualifiedName { keyspace, name: Name { text: "mask_default".to_owned(), span } };
            return Ok(Mask { function, arguments: Vec::new() });
        }
        let function = self.function_name()?;
        self.expect(TokenKind::Open)?;
        let arguments =
            if self.at(TokenKind::Close) { Vec::new() } else { self.comma_separated(Self::term)? };
        self.expect(TokenKind::Close)?;
        Ok(Mask { function, arguments })
    }

    /// `PRIMARY KEY (partition, clustering...)`, the partition key perhaps in parentheses.
    pub(super) fn primary_key(&mut self) -> Parse<PrimaryKey> {
        self.expect_keyword(Keyword::Primary)?;
        self.expect_keyword(Keyword::Key)?;
        self.expect(TokenKind::Open)?;
        let partition = if self.at(TokenKind::Open) {
            self.parenthesised(Self::identifier)?
        } else {
            vec![self.identifier()?]
        };
        let mut clustering = Vec::new();
        while self.accept(TokenKind::Comma) {
            clustering.push(self.identifier()?);
        }
        self.expect(TokenKind::Close)?;
        Ok(PrimaryKey { partition, clustering })
    }

    pub(super) fn table_options(&mut self) -> Parse<TableOptions> {
        let mut options = TableOptions::default();
        loop {
            if self.at_keyword(Keyword::Compact) && self.keyword_follows(1, Keyword::Storage) {
                self.advance();
                self.advance();
                options.compact_storage = true;
            } else if self.at_keyword(Keyword::Clustering) && self.keyword_follows(1, Keyword::Order) {
                self.advance();
                self.advance();
                self.expect_keyword(Keyword::By)?;
                let order = self.parenthesised(Self::clustering_direction)?;
                options.clustering_order.extend(order);
            } else {
                options.properties.push(self.property()?);
            }
            if !self.accept_keyword(Keyword::And) {
                self.check_defined_once(&options.properties)?;
                return Ok(options);
            }
        }
    }

    fn clustering_direction(&mut self) -> Parse<(Name, Direction)> {
        let column = self.identifier()?;
        let direction = match self.keyword() {
            Some(Keyword::Asc) => Direction::Ascending,
            Some(Keyword::Desc) => Direction::Descending,
            _ => return self.no_viable("ASC or DESC"),
        };
        self.advance();
        Ok((column, direction))
    }
}
